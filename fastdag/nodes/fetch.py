"""Fetch nodes: one call to an upstream, described by templates or by a function that builds a `Request`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from fastdag.context import SCOPE, Scope
from fastdag.errors import GraphError, InvalidValue, UpstreamError
from fastdag.node import Node, NodeOptions
from fastdag.nodes.answer import SUCCESS, Answer
from fastdag.nodes.reference import Read, Templates
from fastdag.signature import Parameters, wrong_kind
from fastdag.upstream.call import Call, Request, Response
from fastdag.upstream.client import Upstream
from fastdag.upstream.encode import (
    Body,
    encode_body,
    encode_headers,
    encode_json,
    encode_params,
    header_names,
    sendable,
    token,
)
from fastdag.upstream.options import POLICIES, check_policies
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.identity import key_of
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.site import Policy

__all__ = ["FetchNode", "FetchOptions"]

#: `(timeout, context, args, parents) -> Call`
MakeCall = Callable[[float | None, Any, tuple[Any, ...], dict[str, Any]], Call]

RETURNS = ("first", "last", "append")


class FetchOptions(NodeOptions, total=False):
    """The options of a fetch; see `FetchNode`."""

    method: str
    params: Any
    headers: Mapping[str, Any] | None
    json: Any
    data: Any
    ok: int | Iterable[int]
    empty_on: int | Iterable[int]
    relay: int | Iterable[int]
    idempotent: bool | None
    decode: str | Callable[[Response], Any]
    type: Any
    forward_headers: Iterable[str]
    return_headers: Mapping[str, str] | None
    retry: Retry | None
    hedge: Hedge | None
    breaker: Breaker | None
    bulkhead: Bulkhead | None
    cache: Cache | None
    coalesce: Coalesce | bool | None


class FetchNode(Node):
    """A node that asks an upstream. Made by `graph.fetch`.

        graph.fetch("seller", catalog, "/sellers/{product.seller_id}", params={"lang": "{query.lang?}"})

    - `path`: a template, or a function `(context, **parents)` that returns a `Request`. `params`, `headers`, `json`
      and `data` are templates too; `{a.b?}` may be absent. What they refer to are the node's parents.
    - `ok`, `empty_on`, `relay`: a status or several. One outside `ok` (2xx) is a failure, unless it stands in
      `empty_on`, then the data is `None`, or in `relay`, then the upstream's answer is the run's.
    - `decode`: `"json"`, `"text"`, `"bytes"` or a function of the `Response`; `type`: what the JSON is converted to.
    - `idempotent=True` lets it be sent twice, whatever its method. `forward_headers` names headers of the request that
      go upstream, `return_headers` those of the answer that come back: `{"X-Total": "first" | "last" | "append"}`.
    - `timeout` and policies (`retry=None`) hold for this call, instead of the upstream's; then a node's options.
    """

    waits = True
    self_rooting = True

    def __init__(
        self,
        id: str,
        upstream: Upstream,
        path: str | Callable[..., Request],
        *,
        method: str = "GET",
        params: Any = None,
        headers: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        ok: int | Iterable[int] = SUCCESS,
        empty_on: int | Iterable[int] = (),
        relay: int | Iterable[int] = (),
        idempotent: bool | None = None,
        decode: str | Callable[[Response], Any] = "json",
        type: Any = Any,
        forward_headers: Iterable[str] = (),
        return_headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        policies = {name: options.pop(name) for name in POLICIES if name in options}
        super().__init__(id, **options)
        if not isinstance(upstream, Upstream):
            raise TypeError(f"{id}: a fetch asks an Upstream, not {upstream!r:.80}")
        self.upstream = upstream
        self._answer = Answer(
            id, upstream.name, method, ok=ok, empty_on=empty_on, relay=relay, decode=decode, type=type
        )
        self._returns = _check_returns(id, return_headers or {})
        forward = header_names(f"{id}: forward_headers", forward_headers)
        described = (method, params, headers, json, data)
        retry = policies.get("retry", upstream.stack.policies["retry"])
        attempts = retry.attempts if isinstance(retry, Retry) else 1
        self._sketch: dict[str, Any] = {"attempts": attempts, "method": method, "target": path, "params": params}
        self._known = isinstance(path, str)
        if isinstance(path, str):
            overrides = check_policies(id, policies) or None
            self._call, self._parameters = _by_template(id, upstream, path, described, idempotent, forward, overrides)
        elif callable(path):
            if described != ("GET", None, None, None, None):
                raise GraphError(f"{id}: a fetch with a function says method, params, headers and body in its Request")
            how = {"idempotent": idempotent, "forward_headers": forward, **check_policies(id, policies)}
            self._call, self._parameters = _by_function(id, upstream, path, how)
        else:
            raise TypeError(f"{id}: path is a template like '/products/{{path.id}}' or a function, not {path!r:.80}")

    def parameters(self) -> Parameters:
        return self._parameters

    def result_type(self) -> Any:
        return self._answer.result_type

    @property
    def relay(self) -> frozenset[int]:
        """The statuses that become the run's answer."""
        return self._answer.relay

    def load(self, context: Any, *args: Any, **parents: Any) -> Any:
        response = self.upstream.send(self._call(self.timeout, context, args, parents))
        if self._returns:
            self._return_headers(context, response)
        return self._answer(response)

    def explain(self, context: Any) -> dict[str, Any]:
        """The call as far as it is known beforehand: what depends on a parent stands as the reference it is."""
        site = self.upstream.stack.site
        about = {
            "upstream": self.upstream.name,
            "timeout": self.timeout or site.timeout,
            "attempt_timeout": site.attempt_timeout,
            **self._sketch,
            "cache_key": None,
        }
        if not self._known or self._parameters.params:
            return about
        try:
            call = copy_context().run(_in_scope, context, self._call, self.timeout)
        except UpstreamError as error:
            return {**about, "problem": str(error)}
        about.update(method=call.method, target=call.target, params=None)
        if self.upstream.keeps_answers:
            about["cache_key"] = ":".join(key_of(call))
        return about

    def _return_headers(self, context: Any, response: Response) -> None:
        parts = getattr(context, "response", None)
        if parts is None:
            return
        for name, how in self._returns:
            for value in response.headers.get_all(name):
                if sendable(value):  # else it could smuggle a header into our answer (FAULTS M04)
                    parts.add_header(name, value, how)


def _in_scope(context: Any, call: MakeCall, timeout: float | None) -> Call:
    SCOPE.set(Scope(context))  # for the headers that go upstream with every call of the request
    return call(timeout, context, (), {})


def _by_template(
    node_id: str,
    upstream: Upstream,
    path: str,
    described: tuple[str, Any, Mapping[str, Any] | None, Any, Any],
    idempotent: bool | None,
    forward: Sequence[str],
    overrides: Mapping[str, Policy | None] | None,
) -> tuple[MakeCall, Parameters]:
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
        return prepare(
            method,
            target,
            sent,
            body,
            content_type=content_type,
            forward=forward,
            timeout=timeout,
            idempotent=idempotent,
            options=overrides,
        )

    return call, templates.parameters()


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


def _by_function(
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


def _check_returns(node_id: str, returns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(returns, Mapping) or not set(returns.values()) <= set(RETURNS):
        raise GraphError(
            f"{node_id}: return_headers maps names to {', '.join(map(repr, RETURNS))}; not {returns!r:.80}"
        )
    header_names(f"{node_id}: return_headers", returns)
    return tuple(returns.items())
