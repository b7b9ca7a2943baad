"""The OpenAPI 3.1 description of an app, made from its routes, the declared input, and the nodes' annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import falcon

from fastdag.graph import Graph
from fastdag.node import Node
from fastdag.nodes.fetch import FetchNode
from fastdag.web import fields
from fastdag.web.params import fields_of
from fastdag.web.problem import PROBLEM_JSON
from fastdag.web.resource import GraphResource
from fastdag.web.schemas import REF, Kinds, answer, outputs
from fastdag.web.stream import EVENT_STREAM, NDJSON

__all__ = ["Routes", "describe", "template"]

Routes = Mapping[str, Mapping[str, GraphResource]]

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
                    "in": {"enum": ["query", "headers", "body"]},
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
# Statuses that have no content (RFC 9110 §15.3.5, §15.3.6), and redirections.
_EMPTY = frozenset({204, 205, *range(300, 400)})

_INPUT_PROBLEMS = {"422": "The input is not what it should be."}
_BODY_PROBLEMS = {"413": "The body is too large.", "415": "The body is not JSON."}


def describe(routes: Routes, *, title: str, version: str) -> dict[str, Any]:
    """The whole document."""
    schemas = _Schemas(routes)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": {
            template(path): {
                "parameters": list(_path_parameters(path)),
                **{
                    method.lower(): _operation(path, method, resource, schemas)
                    for method, resource in sorted(methods.items())
                },
            }
            for path, methods in sorted(routes.items())
        },
        "components": {
            "schemas": {**schemas.whole.components, **schemas.selected.components, "Problem": _PROBLEM},
            "headers": {
                name: {"description": description, "schema": schema}
                for name, (description, schema) in _HEADERS.items()
            },
        },
    }


def template(path: str) -> str:
    """A Falcon template as OpenAPI writes it: without converters."""
    return _FIELD.sub(r"{\g<name>}", path)


class _Schemas:
    """What the routes take, what they give, and what they give to clients that select fields."""

    def __init__(self, routes: Routes) -> None:
        resources = list({id(found): found for methods in routes.values() for found in methods.values()}.values())
        whole = [kind for found in resources for kind in (found.input.query, found.input.body) if kind is not None]
        whole += [kind for found in resources if not found.fields for _, _, kind in outputs(found.graph)]
        self.whole = Kinds(whole)
        self.selected = Kinds(
            (kind for found in resources if found.fields for _, _, kind in outputs(found.graph)), selected=True
        )

    def answer(self, resource: GraphResource) -> dict[str, Any]:
        return answer(resource.graph, self.selected if resource.fields else self.whole)


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for field in _FIELD.finditer(path):
        schema = dict(_CONVERTERS.get(field["converter"] or "", {"type": "string"}))
        for bound, value in re.findall(r"(min|max)=(-?[\d.]+)", field["arguments"] or ""):
            schema[f"{bound}imum"] = float(value) if "." in value else int(value)
        yield {"name": field["name"], "in": "path", "required": True, "schema": schema}


def _operation(path: str, method: str, resource: GraphResource, schemas: _Schemas) -> dict[str, Any]:
    graph, declared = resource.graph, resource.input
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{graph.id}_{_as_name(path)}".rstrip("_"),
        "summary": graph.id,
        "responses": dict(_responses(method, resource, schemas)),
    }
    description = _description(graph)
    if description:
        operation["description"] = description
    parameters = list(_query_parameters(resource, schemas.whole))
    if parameters:
        operation["parameters"] = parameters
    if declared.body is not None and method not in ("GET", "HEAD"):
        content = {"application/json": {"schema": schemas.whole[declared.body]}}
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


def _query_parameters(resource: GraphResource, kinds: Kinds) -> Iterator[dict[str, Any]]:
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


def _responses(method: str, resource: GraphResource, schemas: _Schemas) -> Iterator[tuple[str, dict[str, Any]]]:
    answer: dict[str, Any] = {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}}
    if method != "HEAD":
        answer["content"] = {"application/json": {"schema": schemas.answer(resource)}}
        if resource.stream:
            answer["content"] |= {NDJSON: {"schema": {"type": "string"}}, EVENT_STREAM: {"schema": {"type": "string"}}}
    for status, description in _successes(resource).items():
        yield str(status), {"description": description} if status in _EMPTY else {"description": description, **answer}
    if method in ("GET", "HEAD"):
        yield "304", {"description": "The client has this version already."}
    problems = {**_PROBLEMS, **_relayed(resource.graph)}
    if resource.input.query is not None or resource.input.body is not None:
        problems |= _INPUT_PROBLEMS
    if resource.input.body is not None and method not in ("GET", "HEAD"):
        problems |= _BODY_PROBLEMS
    problems |= {str(status): description for status, description in resource.responses.items() if status >= 400}
    for code, description in sorted(problems.items()):
        yield code, _problem(code, description, method)
    yield "default", _problem("default", "Any other problem.", method)


def _successes(resource: GraphResource) -> dict[int, str]:
    """The statuses of answers. What nodes are said to choose stands in place of 200."""
    found = {status: text for status, text in resource.responses.items() if status < 400}
    if not any(status < 300 for status in found):
        found[200] = "The answer; `Fastdag-Complete` tells whether it is whole."
    if resource.partial_status is not None:
        found.setdefault(resource.partial_status, "An answer that is not whole.")
    return dict(sorted(found.items()))


def _relayed(graph: Graph) -> dict[str, str]:
    """The statuses of upstreams that are passed on, and by which nodes."""
    found: dict[int, list[str]] = {}
    for wire in graph.compile().wires:
        for status in _relay(wire.node):
            found.setdefault(status, []).append(f"`{wire.node.id}`")
    return {
        str(status): f"{falcon.code_to_http_status(status)[4:]}, the answer to {', '.join(ids)}."
        for status, ids in found.items()
    }


def _relay(node: Node | None) -> frozenset[int]:
    """What a fetch passes on, also one that is included, or done for every element."""
    while node is not None and not isinstance(node, FetchNode):
        node = getattr(node, "inner", None)
    return frozenset() if node is None else node.relay


def _problem(code: str, description: str, method: str) -> dict[str, Any]:
    if method == "HEAD" or code < "400":
        return {"description": description}
    return {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": REF.format(name="Problem")}}},
    }
