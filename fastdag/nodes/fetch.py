"""Fetch nodes: one call to an upstream, described by templates or by a function that builds a `Request`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any

from fastdag.context import SCOPE, Scope
from fastdag.errors import GraphError, UpstreamError
from fastdag.flying import flies
from fastdag.node import Node, NodeOptions
from fastdag.nodes.answer import SUCCESS, Answer
from fastdag.nodes.reference import IN_REQUEST, Reference
from fastdag.nodes.request import MakeCall, by_function, by_template
from fastdag.signature import Parameters
from fastdag.upstream.call import Call, Request, Response
from fastdag.upstream.client import Upstream
from fastdag.upstream.encode import (
    header_names,
    sendable,
)
from fastdag.upstream.flight import Flight
from fastdag.upstream.options import POLICIES, check_policies
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.identity import key_of
from fastdag.upstream.policies.retry import Retry

__all__ = ["FetchNode", "FetchOptions"]

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
        # Headers to return are written by the node, and in the loop it is nobody's turn.
        self.light = isinstance(decode, str) and type is Any and not return_headers
        self._returns = _check_returns(id, return_headers or {})
        forward = header_names(f"{id}: forward_headers", forward_headers)
        described = (method, params, headers, json, data)
        retry = policies.get("retry", upstream.stack.policies["retry"])
        attempts = retry.attempts if isinstance(retry, Retry) else 1
        self._sketch: dict[str, Any] = {"attempts": attempts, "method": method, "target": path, "params": params}
        self._known = isinstance(path, str)
        #: What its templates take from the request.
        self.references: tuple[Reference, ...] = ()
        if isinstance(path, str):
            overrides = check_policies(id, policies) or None
            self._call, templates = by_template(id, upstream, path, described, idempotent, forward, overrides)
            self._parameters = templates.parameters()
            self.references = tuple(found for found in templates.references if found.source in IN_REQUEST)
        elif callable(path):
            if described != ("GET", None, None, None, None):
                raise GraphError(f"{id}: a fetch with a function says method, params, headers and body in its Request")
            how = {"idempotent": idempotent, "forward_headers": forward, **check_policies(id, policies)}
            self._call, self._parameters = by_function(id, upstream, path, how)
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

    @flies
    def load(self, context: Any, *args: Any, **parents: Any) -> Any:
        return self._data(context, self.upstream.send(self._call(self.timeout, context, args, parents)))

    def take_off(
        self, context: Any, on_landing: Callable[[Flight], object], *args: Any, **parents: Any
    ) -> tuple[Flight | None, Any]:
        call = self._call(self.timeout, context, args, parents)
        flight = self.upstream.launch(call)
        if flight is None:
            return None, self._data(context, self.upstream.send(call))
        if flight.listen(on_landing):
            return flight, None
        return None, self.land(context, flight)

    def land(self, context: Any, flight: Flight) -> Any:
        response = flight.result()
        return self._data(context, response) if self._returns else self._answer(response)

    def _data(self, context: Any, response: Response) -> Any:
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


def _check_returns(node_id: str, returns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(returns, Mapping) or not set(returns.values()) <= set(RETURNS):
        raise GraphError(
            f"{node_id}: return_headers maps names to {', '.join(map(repr, RETURNS))}; not {returns!r:.80}"
        )
    header_names(f"{node_id}: return_headers", returns)
    return tuple(returns.items())
