"""How the call of a fetch is made: out of templates, or by a function that builds a `Request`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastdag.errors import GraphError, InvalidValue
from fastdag.nodes.reference import Read, Templates
from fastdag.signature import Parameters, wrong_kind
from fastdag.upstream.call import Call, Request
from fastdag.upstream.client import Upstream
from fastdag.upstream.encode import Body, encode_body, encode_headers, encode_json, encode_params, token
from fastdag.upstream.site import Policy

__all__ = ["MakeCall", "by_function", "by_template"]

#: `(timeout, context, args, parents) -> Call`
MakeCall = Callable[[float | None, Any, tuple[Any, ...], dict[str, Any]], Call]


def by_template(
    node_id: str,
    upstream: Upstream,
    path: str,
    described: tuple[str, Any, Mapping[str, Any] | None, Any, Any],
    idempotent: bool | None,
    forward: Sequence[str],
    overrides: Mapping[str, Policy | None] | None,
) -> tuple[MakeCall, Templates]:
    method, params, headers, json, data = described
    method = token(f"{node_id}: method", method).upper()
    templates = Templates(node_id)
    read_path = templates.path(path)
    read_query = _query(templates, params)
    read_headers = _headers(templates, headers)
    read_body = _body(templates, json, data)
    if templates.problems:
        raise GraphError(templates.problems)
    prepare = upstream.prepare

    def call(timeout: float | None, context: Any, _args: tuple[Any, ...], parents: dict[str, Any]) -> Call:
        target = read_path(context, parents)
        if read_query is not None:
            query = read_query(context, parents)
            if query:
                target = f"{target}?{query}"
        sent = () if read_headers is None else read_headers(context, parents)
        body, content_type = (None, None) if read_body is None else read_body(context, parents)
        return prepare(method, target, sent, body, content_type, forward, timeout, idempotent, overrides)

    return call, templates


def _query(templates: Templates, params: Any) -> Read | None:
    if params is None:
        return None
    if not isinstance(params, (Mapping, list, tuple)):
        raise TypeError(f"{templates.node_id}: params is a mapping or a list of pairs, not {params!r:.80}")
    return templates.encoded("params", params, encode_params)


def _headers(templates: Templates, headers: Mapping[str, Any] | None) -> Read | None:
    return None if headers is None else templates.encoded("headers", headers, encode_headers)


def _body(templates: Templates, json: Any, data: Any) -> Read | None:
    if json is not None and data is not None:
        raise GraphError(f"{templates.node_id}: a call has one body; give json= or data=, not both")
    if json is not None:
        return templates.encoded("json", json, _json_body, null=True)
    return None if data is None else templates.encoded("data", data, _data_body)


def _json_body(value: Any) -> tuple[Body, str | None]:
    return encode_json(value), "application/json"


def _data_body(value: Any) -> tuple[Body, str | None]:
    body, content_type = encode_body(data=value)
    if body is not None and not isinstance(body, bytes):
        raise InvalidValue("an iterable can be sent only once; build it in a function that returns a Request")
    return body, content_type


def by_function(
    node_id: str, upstream: Upstream, build: Callable[..., Request], how: dict[str, Any]
) -> tuple[MakeCall, Parameters]:
    wrong = wrong_kind(build)
    if wrong:
        raise GraphError(f"{node_id}: the function that builds the request {wrong}")
    accepted = Parameters.of(build, by_name=True)

    def call(timeout: float | None, context: Any, args: tuple[Any, ...], parents: dict[str, Any]) -> Call:
        if accepted.context == "first":
            args = (context, *args)
        elif accepted.context == "context":
            parents["context"] = context
        request = build(*args, **parents)
        if not isinstance(request, Request):
            raise TypeError(f"{node_id}: the function that builds the request returned {request!r:.80}, no Request")
        return upstream.compose(
            request.method,
            request.path,
            params=request.params,
            headers=request.headers,
            json=request.json,
            data=request.data,
            timeout=timeout,
            **how,
        )

    return call, replace(accepted, context="first")
