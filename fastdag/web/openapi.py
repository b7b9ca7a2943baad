"""The OpenAPI 3.1 description of an app, made from its routes, the declared input, and the nodes' annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import msgspec

from fastdag.graph import Graph
from fastdag.node import Node
from fastdag.web import fields
from fastdag.web.params import fields_of
from fastdag.web.problem import PROBLEM_JSON
from fastdag.web.resource import GraphResource
from fastdag.web.stream import EVENT_STREAM, NDJSON

__all__ = ["Routes", "describe", "template"]

Routes = Mapping[str, Mapping[str, GraphResource]]

_REF = "#/components/schemas/{name}"

# Falcon's converters, and what they let through.
_CONVERTERS: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "dt": {"type": "string"},
}
_FIELD = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?::(?P<converter>\w+)(?:\((?P<arguments>[^)]*)\))?)?\}")

_PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `reason` is for programs, the rest for people.",
    # What a server refuses by itself, such as a request line that is too long, has no id yet.
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "node": {"type": ["string", "null"], "description": "The step that failed."},
        "reason": {"type": "string", "description": "Why it failed, out of a closed set."},
        "failures": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"node": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
        "errors": {
            "type": "array",
            "description": "Every mistake in the input.",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "detail"],
                "properties": {
                    "in": {"enum": ["query", "body"]},
                    "pointer": {"type": "string", "description": "A JSON pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_HEADERS = {
    "X-Request-Id": ("The request's id, the client's own if it was well-formed.", {"type": "string"}),
    "Fastdag-Complete": ("Whether nothing is missing in the answer.", {"enum": ["true", "false"]}),
    "Fastdag-Missing": (
        "What is missing, as a list (RFC 9651): `reviews;reason=timeout;fallback, ads;reason=dependency`.",
        {"type": "string"},
    ),
    "ETag": ("The version of the answer, for `If-None-Match`.", {"type": "string"}),
}

# Why an answer may be a problem, by status; those below the line belong to routes that declare input.
_PROBLEMS = {
    "400": "The request is malformed, or holds a value that may not be sent on.",
    "406": "The client takes no JSON.",
    "500": "A step of the answer is broken.",
    "502": "A service that the answer needs gave no usable answer.",
    "503": "Too much is going on, here or at a service that the answer needs; try again later.",
    "504": "The answer was not there in time.",
}
_INPUT_PROBLEMS = {"422": "The input is not what it should be."}
_BODY_PROBLEMS = {"413": "The body is too large.", "415": "The body is not JSON."}


def describe(routes: Routes, *, title: str, version: str) -> dict[str, Any]:
    """The whole document."""
    kinds = _Kinds(routes)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": {
            template(path): {
                "parameters": list(_path_parameters(path)),
                **{
                    method.lower(): _operation(path, method, resource, kinds)
                    for method, resource in sorted(methods.items())
                },
            }
            for path, methods in sorted(routes.items())
        },
        "components": {
            "schemas": {**kinds.components, "Problem": _PROBLEM},
            "headers": {
                name: {"description": description, "schema": schema}
                for name, (description, schema) in _HEADERS.items()
            },
        },
    }


def template(path: str) -> str:
    """A Falcon template as OpenAPI writes it: without converters."""
    return _FIELD.sub(r"{\g<name>}", path)


class _Kinds:
    """The JSON schemas of all types that routes and nodes name, made together so that no two have one name."""

    def __init__(self, routes: Routes) -> None:
        found: list[Any] = []
        for resource in {id(r): r for methods in routes.values() for r in methods.values()}.values():
            wanted = [resource.input.query, resource.input.body, *(kind for _, _, kind in outputs(resource.graph))]
            found += [kind for kind in wanted if kind is not None and kind not in found]
        schemas, self.components = msgspec.json.schema_components(found, ref_template=_REF)
        self._known = list(zip(found, schemas, strict=True))

    def __getitem__(self, kind: Any) -> dict[str, Any]:
        return next((schema for known, schema in self._known if known == kind), {})

    def resolved(self, kind: Any) -> dict[str, Any]:
        """A schema without the reference it may be."""
        schema = self[kind]
        name = schema.get("$ref", "").rpartition("/")[2]
        return self.components[name] if name else schema


def outputs(graph: Graph) -> Iterator[tuple[str, str | None, Any]]:
    """The outputs of a graph whose type is known: node id, key in the answer, type."""
    plan = graph.compile()
    for index, key in plan.outputs if plan.body is None else [(plan.body, None)]:
        kind = _gives(plan.steps[index].node)
        if kind is not None:
            yield plan.ids[index], key, kind


def _gives(node: Node) -> Any:
    """What a node is annotated to return, if that says anything and has a schema."""
    try:
        kind = get_type_hints(node.function(), include_extras=True).get("return")
        if kind in (None, type(None), Any):
            return None
        msgspec.json.schema(kind)
    except (NameError, TypeError, ValueError):
        return None
    return kind


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for field in _FIELD.finditer(path):
        schema = dict(_CONVERTERS.get(field["converter"] or "", {"type": "string"}))
        for bound, value in re.findall(r"(min|max)=(-?[\d.]+)", field["arguments"] or ""):
            schema[f"{bound}imum"] = float(value) if "." in value else int(value)
        yield {"name": field["name"], "in": "path", "required": True, "schema": schema}


def _operation(path: str, method: str, resource: GraphResource, kinds: _Kinds) -> dict[str, Any]:
    graph, declared = resource.graph, resource.input
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{graph.id}_{_as_name(path)}".rstrip("_"),
        "summary": graph.id,
        "responses": dict(_responses(method, resource, kinds)),
    }
    description = _description(graph)
    if description:
        operation["description"] = description
    parameters = list(_query_parameters(resource, kinds))
    if parameters:
        operation["parameters"] = parameters
    if declared.body is not None and method not in ("GET", "HEAD"):
        content = {"application/json": {"schema": kinds[declared.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _as_name(path: str) -> str:
    """A path as a name: one graph may answer several."""
    return re.sub(r"\W+", "_", template(path)).strip("_")


def _description(graph: Graph) -> str:
    """What the nodes' docstrings say about the answer."""
    lines = []
    for step in graph.compile().steps:
        text = step.node.function().__doc__
        if text and text != Node.load.__doc__:
            lines.append(f"- `{step.id}`: {' '.join(text.split())}")
    return "\n".join(lines)


def _query_parameters(resource: GraphResource, kinds: _Kinds) -> Iterator[dict[str, Any]]:
    query = resource.input.query
    properties = {} if query is None else kinds.resolved(query)["properties"]
    for name, _, required in fields_of(query) or ():
        found = dict(properties[name])
        parameter = {"name": name, "in": "query", "required": required, "schema": found}
        if "description" in found:
            parameter["description"] = found.pop("description")
        yield parameter
    if resource.fields:
        yield {
            "name": "fields",
            "in": "query",
            "required": False,
            "style": "form",
            "explode": False,
            "description": "What to answer: outputs, or paths into them. All, if it is left out.",
            "schema": fields.schema(resource.graph),
        }


def _responses(method: str, resource: GraphResource, kinds: _Kinds) -> Iterator[tuple[str, dict[str, Any]]]:
    answer: dict[str, Any] = {
        "description": "The answer; `Fastdag-Complete` tells whether it is whole.",
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS},
    }
    if method != "HEAD":
        answer["content"] = {"application/json": {"schema": _merged_schema(resource.graph, kinds)}}
        if resource.stream:
            answer["content"] |= {NDJSON: {"schema": {"type": "string"}}, EVENT_STREAM: {"schema": {"type": "string"}}}
    yield "200", answer
    if resource.partial_status not in (None, 200):
        yield str(resource.partial_status), {**answer, "description": "An answer that is not whole."}
    if method in ("GET", "HEAD"):
        yield "304", {"description": "The client has this version already."}
    problems = dict(_PROBLEMS)
    if resource.input.query is not None or resource.input.body is not None:
        problems |= _INPUT_PROBLEMS
    if resource.input.body is not None and method not in ("GET", "HEAD"):
        problems |= _BODY_PROBLEMS
    for status, description in sorted(problems.items()):
        yield status, _problem(description, method)
    yield "default", _problem("Any other problem.", method)


def _problem(description: str, method: str) -> dict[str, Any]:
    if method == "HEAD":
        return {"description": description}
    return {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }


def _merged_schema(graph: Graph, kinds: _Kinds) -> dict[str, Any]:
    """The answer's schema, as far as annotations tell; what they do not tell is left open."""
    known = list(outputs(graph))
    if graph.compile().body is not None:
        return kinds[known[0][2]] if known else {}
    properties: dict[str, Any] = {}
    if callable(graph.merge):
        return {}
    for node_id, key, kind in known:
        schema = kinds.resolved(kind)
        if graph.merge == "ids" or key is not None or schema.get("type") not in ("object", None):
            properties[key or node_id] = kinds[kind]
        else:  # merged at the root; nothing is required there, since an output may be missing
            properties |= schema.get("properties", {})
    return {"type": "object", "properties": properties} if properties else {"type": "object"}
