"""`Upstream`: a service that others answer for, as the code that calls it sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Unpack

from fastdag.context import SCOPE, Scope
from fastdag.deadline import check_seconds, now
from fastdag.errors import UpstreamError, UpstreamRejected
from fastdag.events import Instrument, Instruments
from fastdag.upstream.behalf import forwarded, merged, outbound
from fastdag.upstream.call import Call, Response
from fastdag.upstream.encode import Body, encode_body, encode_headers, encode_path, encode_target, header_names, token
from fastdag.upstream.flight import Flight
from fastdag.upstream.options import (
    POLICIES,
    UNSET,
    CallOptions,
    check_auth,
    check_bytes,
    check_hosts,
    check_name,
    check_policies,
    choose_transport,
)
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.site import Policy, Site
from fastdag.upstream.stack import build

__all__ = ["Auth", "Upstream"]

#: Gets the call as it is about to leave, and returns headers to set in it.
Auth = Callable[[Call], Mapping[str, str] | None]

# What may be sent twice unless somebody says so of more (FAULTS: retry). PUT and DELETE are idempotent by RFC 9110
# §9.2.2 too, but only if the service implements them so.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS"})


class Upstream:
    """A service to fetch from. Looks like a `requests.Session` with a base URL, from inside a node or anywhere else.

        catalog = Upstream("catalog", "http://catalog:8080", timeout=0.8)
        catalog.get("/products/42", params={"lang": "en"}).json()

    - `timeout`: seconds for a whole call, retries and a dripping body included; `None` leaves the run's deadline,
      which no call outlives anyway. `attempt_timeout` and `connect_timeout` bound one attempt and its connecting.
    - `retry`, `hedge`, `breaker`, `bulkhead`, `cache`, `coalesce`: policies; `None` switches one off.
    - `headers` go with every call; of the request that is being answered, its id, its trace, and the headers named in
      `forward_headers`. `auth` gets the `Call`, once per call, and returns headers to set.
    - `verify`, `cert`, `max_age`, `idle`: TLS trust and the life of connections, see the transport.
    - `transport`: `None` for fastdag's own, `"requests"` or a `requests.Session`, or any `Transport`.

    Redirects are not followed and cookies are not kept. Every failure is an `UpstreamError`.
    """

    def __init__(
        self,
        name: str,
        base_url: str | Sequence[str],
        *,
        timeout: float | None = None,
        attempt_timeout: float | None = 1.0,
        connect_timeout: float | None = 0.5,
        retry: Retry | None = UNSET,
        hedge: Hedge | None = UNSET,
        breaker: Breaker | None = UNSET,
        bulkhead: Bulkhead | None = UNSET,
        cache: Cache | None = UNSET,
        coalesce: Coalesce | bool | None = UNSET,
        forward_headers: Iterable[str] = (),
        headers: Mapping[str, Any] | None = None,
        auth: Auth | None = None,
        max_response_bytes: int = 2 << 20,
        verify: Any = UNSET,
        cert: Any = UNSET,
        max_age: float | None = UNSET,
        idle: float | None = UNSET,
        transport: Any = None,
    ) -> None:
        self.name = check_name(name)
        self.hosts = check_hosts(name, base_url)
        self.max_response_bytes = check_bytes(name, max_response_bytes)
        self._auth = check_auth(name, auth)
        self._forward = header_names(f"{name}: forward_headers", forward_headers)
        self._defaults = {"user-agent": ("User-Agent", "fastdag")}
        self._defaults.update((key.lower(), (key, value)) for key, value in encode_headers(headers))
        # What a request's calls without headers of their own send, behind what tells that request. Threads share it.
        self._shared: tuple[Sequence[tuple[str, str]] | None, tuple[tuple[str, str], ...]]
        self._shared = None if self._forward else (), tuple(self._defaults.values())
        #: Who is told about this upstream's calls, attempts and connections.
        self.instruments = Instruments()
        connecting = {"verify": verify, "cert": cert, "max_age": max_age, "idle": idle}
        site = Site(
            name,
            self.hosts,
            choose_transport(
                transport,
                name,
                self.hosts,
                self.instruments,
                check_seconds(f"{name}: connect_timeout", connect_timeout),
                {key: value for key, value in connecting.items() if value is not UNSET},
            ),
            timeout=check_seconds(f"{name}: timeout", timeout),
            attempt_timeout=check_seconds(f"{name}: attempt_timeout", attempt_timeout),
            instruments=self.instruments,
        )
        given = zip(POLICIES, (retry, hedge, breaker, bulkhead, cache, coalesce), strict=True)
        self.stack = build(site, check_policies(name, {key: value for key, value in given if value is not UNSET}))

    def on(self, name: str, instrument: Instrument) -> None:
        """Call `instrument(name, fields)` at every event of that name; see `fastdag.events`."""
        self.instruments.on(name, instrument)

    def get(self, path: str, **call: Unpack[CallOptions]) -> Response:
        return self.request("GET", path, **call)

    def head(self, path: str, **call: Unpack[CallOptions]) -> Response:
        return self.request("HEAD", path, **call)

    def post(self, path: str, **call: Unpack[CallOptions]) -> Response:
        return self.request("POST", path, **call)

    def put(self, path: str, **call: Unpack[CallOptions]) -> Response:
        return self.request("PUT", path, **call)

    def patch(self, path: str, **call: Unpack[CallOptions]) -> Response:
        return self.request("PATCH", path, **call)

    def delete(self, path: str, **call: Unpack[CallOptions]) -> Response:
        return self.request("DELETE", path, **call)

    def request(self, method: str, path: str, **call: Unpack[CallOptions]) -> Response:
        """Call the upstream. The path is below the base URL, whatever it looks like: no path changes the host.

        `timeout` is this call's total; `None` means the upstream's. `idempotent` says that a call may be sent twice;
        unsaid, it holds for GET, HEAD and OPTIONS. With `stream=True` the answer is a `StreamedResponse`. Policies
        by name (`retry=None`) hold for this call instead of the upstream's.
        """
        if not call and method in _IDEMPOTENT:  # as most: a path, and nothing else
            return self.send(self.prepare(method, encode_path(path)))
        return self.send(self.compose(method, path, **call))

    def compose(
        self,
        method: str,
        path: str,
        *,
        params: Any = None,
        headers: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        timeout: float | None = None,
        stream: bool = False,
        idempotent: bool | None = None,
        max_response_bytes: int | None = None,
        forward_headers: Iterable[str] = (),
        **policies: Any,
    ) -> Call:
        """The call that `request` would send, checked and encoded."""
        body, content_type = (None, None) if json is None and data is None else encode_body(json, data)
        return self.prepare(
            method if method in _IDEMPOTENT else token("a method", method).upper(),
            encode_target(path, params) if params else encode_path(path),
            encode_headers(headers) if headers else (),
            body,
            content_type,
            header_names("forward_headers", forward_headers) if forward_headers else (),
            None if timeout is None else check_seconds("timeout", timeout),
            idempotent,
            check_policies(self.name, policies) if policies else None,
            stream,
            None if max_response_bytes is None else check_bytes(self.name, max_response_bytes),
        )

    def prepare(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: Body = None,
        content_type: str | None = None,
        forward: Sequence[str] = (),
        timeout: float | None = None,
        idempotent: bool | None = None,
        options: Mapping[str, Policy | None] | None = None,
        stream: bool = False,
        max_bytes: int | None = None,
    ) -> Call:
        """A call that `send` can send, from what has been checked and encoded already, as a fetch node does."""
        scope = SCOPE.get()
        ours = () if scope is None else outbound(scope)
        known, shared = self._shared
        return Call(
            method,
            target,
            shared
            if ours is known and not (headers or forward or content_type)
            else self._headers(scope, ours, headers, content_type, forward),
            body,
            self.hosts[0],
            None if scope is None else scope.deadline,
            method in _IDEMPOTENT if idempotent is None else idempotent,
            self.max_response_bytes if max_bytes is None else max_bytes,
            stream,
            timeout,
            options,
        )

    def send(self, call: Call) -> Response:
        """Send a call that `prepare` made, once: through `auth` and down the stack."""
        scope = SCOPE.get()
        if scope is not None and scope.over:
            raise UpstreamRejected("the run that this call belongs to is over", upstream=self.name, reason="cancelled")
        if self._auth is not None:
            given = self._auth(call)
            headers = {name.lower(): (name, value) for name, value in call.headers}
            call.headers = merged(headers, encode_headers(given))
        try:
            return self._observed(call, scope) if "call" in self.instruments.heard else self.stack.send(call)
        except UpstreamError as error:
            error.upstream = error.upstream or self.name
            raise

    def launch(self, call: Call) -> Flight | None:
        """Send a call without a greenlet that waits for it; `None` if it has to go through `send`."""
        runway, scope = self.stack.runway, SCOPE.get()
        if runway is None or self._auth is not None or (scope is not None and scope.over):
            return None
        return runway.start(call, self._about(call, scope) if "call" in self.instruments.heard else None)

    def _headers(
        self,
        scope: Scope | None,
        ours: Sequence[tuple[str, str]],
        given: Sequence[tuple[str, str]],
        content_type: str | None,
        forward: Sequence[str],
    ) -> tuple[tuple[str, str], ...]:
        defaults = self._defaults
        forward = (*self._forward, *forward) if forward else self._forward
        if not given and not forward and content_type is None:  # such calls share what they send, down to the bytes
            more = (header for header in ours if header[0].lower() not in defaults)
            shared = (*defaults.values(), *more)
            self._shared = ours, shared
            return shared
        # Whoever is nearer to the call decides: the call, then the client's request, then the upstream's defaults.
        headers = {name.lower(): (name, value) for name, value in ours} | defaults
        if content_type is not None:
            headers["content-type"] = ("Content-Type", content_type)
        if forward:
            headers.update(forwarded(scope, forward))
        return merged(headers, given)

    def _observed(self, call: Call, scope: Scope | None) -> Response:
        about, start = self._about(call, scope), now()
        self.instruments.emit("call.started", **about)
        status, reason = 0, "cancelled"
        try:
            response = self.stack.send(call)
            status, reason = response.status_code, ""
            return response
        except UpstreamError as error:
            reason = error.reason
            raise
        finally:
            self.instruments.emit("call.ended", **about, status=status, reason=reason, elapsed=now() - start)

    def _about(self, call: Call, scope: Scope | None) -> dict[str, Any]:
        return {
            "upstream": self.name,
            "node": None if scope is None else scope.running,
            "method": call.method,
            "path": call.target.partition("?")[0],
        }

    @property
    def keeps_answers(self) -> bool:
        """Whether answers are kept or shared, so that calls have keys; with `auth`, only the call itself tells."""
        policies = self.stack.policies
        return self._auth is None and (policies["cache"] is not None or policies["coalesce"] is not None)

    def describe(self) -> dict[str, Any]:
        """The effective stack, limits and state, as data."""
        return self.stack.describe()

    def close(self) -> None:
        """Close the connections that wait to be used again."""
        self.stack.close()

    def __repr__(self) -> str:
        return f"<Upstream {self.name} {' '.join(host.url for host in self.hosts)} [{self.stack.glance()}]>"
