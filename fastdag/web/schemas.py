"""The JSON schemas of what routes take and give: of declared input, and of answers as far as annotations tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import NoneType
from typing import Any

import msgspec

from fastdag.graph import Graph
from fastdag.node import Node
from fastdag.signature import REQUIRED

__all__ = ["REF", "Kinds", "answer", "outputs"]

REF = "#/components/schemas/{name}"

# What a schema holds that is data and no schema.
_DATA = ("const", "default", "enum", "examples")

_SHAPING = ("target", "pick", "omit", "rename", "group")


class Kinds:
    """The schemas of types, made together so that no two have one name.

    With `selected=True` nothing in them is required: a client that asks for `?fields=seller.name` gets no more of it.
    """

    def __init__(self, types: Iterable[Any], *, selected: bool = False) -> None:
        found: list[Any] = []
        for kind in types:
            if kind not in found:
                found.append(kind)
        suffix = ".selected" if selected else ""
        schemas, components = msgspec.json.schema_components(found, ref_template=REF.format(name=f"{{name}}{suffix}"))
        change = _optional if selected else lambda schema: schema
        self.components = {f"{name}{suffix}": change(schema) for name, schema in components.items()}
        self._known = [(kind, change(schema)) for kind, schema in zip(found, schemas, strict=True)]

    def __getitem__(self, kind: Any) -> dict[str, Any]:
        return next((schema for known, schema in self._known if known == kind), {})

    def resolved(self, kind: Any) -> dict[str, Any]:
        """A schema without the reference it may be."""
        schema = self[kind]
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.components[name] if name else schema


def _optional(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_optional(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: part for key, part in schema.items() if key != "required"}
    properties = {name: _optional(part) for name, part in kept.pop("properties", {}).items()}
    changed = {key: part if key in _DATA else _optional(part) for key, part in kept.items()}
    return {**changed, "properties": properties} if properties else changed


def outputs(graph: Graph) -> Iterator[tuple[str, str | None, Any]]:
    """The outputs of a graph: node id, key in the answer, and type, which is `Any` if it is not known."""
    plan = graph.compile()
    for index, key in plan.outputs if plan.body is None else [(plan.body, None)]:
        yield plan.ids[index], key, _gives(plan.steps[index].node)


def _gives(node: Node) -> Any:
    kind = node.result_type()
    try:
        if kind in (None, NoneType, Any) or any(node.option(name) is not None for name in _SHAPING):
            return Any
        msgspec.json.schema(kind)
        fallback = node.option("fallback")
        if fallback is not REQUIRED:
            msgspec.convert(fallback, kind)
    except (NameError, TypeError, ValueError):  # no type that msgspec knows, or a fallback of another
        return Any
    return kind


def answer(graph: Graph, kinds: Kinds) -> dict[str, Any]:
    """The schema of a graph's merged data; what is not known is left open.

    Nothing at the root is required, since an output may be missing.
    """
    if graph.compile().body is not None:
        return next(kinds[kind] for _, _, kind in outputs(graph))
    if callable(graph.merge):
        return {}
    properties: dict[str, Any] = {}
    for name, schema in _at_root(graph, kinds):
        properties[name] = {} if name in properties else schema  # merged from several outputs
    return {"type": "object", "properties": properties} if properties else {"type": "object"}


def _at_root(graph: Graph, kinds: Kinds) -> Iterator[tuple[str, dict[str, Any]]]:
    for node_id, key, kind in outputs(graph):
        if graph.merge == "ids":
            yield node_id, kinds[kind]
        elif key is not None:
            yield key, kinds[kind]
        else:
            schema = kinds.resolved(kind) if kind is not Any else {}
            if schema.get("type") == "object":
                yield from schema.get("properties", {}).items()
            elif "type" in schema:  # what is no mapping stands under the node's id
                yield node_id, schema
