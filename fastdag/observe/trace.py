"""OpenTelemetry spans for requests, runs, nodes and attempts. Needs the extra `otel`, for the API; the SDK is yours.

    request  GET /products/{id}            SERVER, child of the caller's span (W3C Trace Context)
    └─ run  product_page                   one more below the node that runs a graph by hand
       └─ node  reviews
          └─ attempt  GET                  CLIENT; every retry and hedge is one, and its upstream's parent

OpenTelemetry keeps the current span in a contextvar. Each of these is made current in the contextvars that belong to
it (a request's, a run's, those of one node), which greenlets inherit and nobody else sees, so nothing is ever put
back. An attempt has no code of the user's below it and is not made current; its headers name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider, get_tracer, set_span_in_context
from opentelemetry.trace import get_current_span as current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fastdag.events import TRACE, Instrument
from fastdag.observe.families import METHODS, OTHER
from fastdag.observe.record import POLICIES
from fastdag.observe.redact import one_line, wsgi_path
from fastdag.upstream.call import Call
from fastdag.upstream.host import Host

__all__ = ["Tracing"]

_W3C = TraceContextTextMapPropagator()
_HEADERS = ("traceparent", "tracestate")


class Tracing:
    """Makes spans of what happens. `provider` is OpenTelemetry's own global one if it is not given.

        provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter("http://collector:4318/v1/traces")))
        app = App(observe=[Tracing(provider)])

    Upstreams get the attempt's `traceparent`. Whether a trace is sampled is the provider's decision.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = get_tracer("fastdag", tracer_provider=provider)
        self._request: ContextVar[Span | None] = ContextVar("fastdag_request_span", default=None)
        self._attempts: dict[int, Span] = {}  # by the identity of their calls, which live as long

    def events(self) -> dict[str, Instrument]:
        return {
            "request.started": self._request_started,
            "request.ended": self._request_ended,
            "run.started": self._run_started,
            "run.ended": self._run_ended,
            "node.started": self._node_started,
            "node.ended": self._node_ended,
            "attempt.started": self._attempt_started,
            "attempt.ended": self._attempt_ended,
            **dict.fromkeys(POLICIES, self._event),  # events of the node's span
        }

    def _request_started(self, _name: str, fields: Mapping[str, Any]) -> None:
        environ = fields["environ"]
        caller = _W3C.extract({name: environ.get(f"HTTP_{name.upper()}", "") for name in _HEADERS})
        name, method = _method(fields["method"])
        attributes = {
            **method,
            "url.scheme": environ["wsgi.url_scheme"],
            "url.path": wsgi_path(fields["path"]),
            "fastdag.request_id": fields["request_id"],
        }
        span = self._tracer.start_span(name, caller, SpanKind.SERVER, attributes)
        self._request.set(span)
        _make_current(span)
        headers = _headers_of(span)
        if headers:
            environ[TRACE] = tuple(headers.items())

    def _request_ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        span = self._request.get()
        if span is None:
            return
        if fields["route"]:
            span.update_name(f"{_method(fields['method'])[0]} {fields['route']}")
            span.set_attribute("http.route", fields["route"])
        _end(span, fields["status"], "", failed_from=500)

    def _run_started(self, _name: str, fields: Mapping[str, Any]) -> None:
        run, graph = fields["run"], fields["graph"]
        span = self._tracer.start_span(graph, attributes={"fastdag.graph": graph})
        run.kept()[self] = {None: span}
        run.contextvars.run(_make_current, span)

    def _run_ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        for span in fields["run"].kept().pop(self, {}).values():
            if fields["run"].fatal:
                span.set_status(Status(StatusCode.ERROR))
            span.end()

    def _node_started(self, _name: str, fields: Mapping[str, Any]) -> None:
        spans = fields["run"].storage.get(self)
        if spans is None:  # installed while this run was under way
            return
        attributes = {"fastdag.graph": fields["graph"], "fastdag.node": fields["node"]}
        span = spans[fields["node"]] = self._tracer.start_span(fields["node"], attributes=attributes)
        _make_current(span)

    def _node_ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        span = fields["run"].storage.get(self, {}).pop(fields["node"], None)
        if span is None:  # it never began
            return
        span.set_attribute("fastdag.state", fields["state"])
        if fields["reason"]:
            span.set_attribute("error.type", fields["reason"])
        if fields["state"] == "failed":
            span.set_status(Status(StatusCode.ERROR, fields["reason"]))
        span.end()

    def _attempt_started(self, _name: str, fields: Mapping[str, Any]) -> None:
        call: Call = fields["call"]
        host = Host.parse(fields["host"])
        name, method = _method(fields["method"])
        attributes: dict[str, str | int] = {
            **method,
            "fastdag.upstream": fields["upstream"],
            "server.address": host.name,
            "url.full": one_line(host.url + call.target.partition("?")[0]),
        }
        if host.port:
            attributes["server.port"] = host.port
        if fields["attempt"]:
            attributes["http.request.resend_count"] = fields["attempt"]
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
        self._attempts[id(call)] = span
        headers = _headers_of(span)
        if headers:
            others = [(name, value) for name, value in call.headers if name.lower() not in _HEADERS]
            call.headers = (*others, *headers.items())

    def _attempt_ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        span = self._attempts.pop(id(fields["call"]), None)
        if span is not None:
            _end(span, fields["status"], fields["reason"], failed_from=400)

    def _event(self, name: str, fields: Mapping[str, Any]) -> None:
        told = {key: value for key, value in fields.items() if isinstance(value, (str, int, float))}
        current_span().add_event(name, told)


def _make_current(span: Span) -> None:
    otel.attach(set_span_in_context(span))


def _method(method: str) -> tuple[str, dict[str, str]]:
    """What the conventions name a span of this method, and its attributes: clients may send what they like."""
    if method in METHODS:
        return method, {"http.request.method": method}
    return "HTTP", {"http.request.method": OTHER, "http.request.method_original": one_line(method, 32)}


def _headers_of(span: Span) -> dict[str, str]:
    """The headers that name a span as the parent of what they are sent to; none where there is no SDK."""
    headers: dict[str, str] = {}
    _W3C.inject(headers, set_span_in_context(span))
    return headers


def _end(span: Span, status: int, reason: str, *, failed_from: int) -> None:
    """What the conventions say about the end of an HTTP span; a client's 404 is an error, a server's is not."""
    if status:
        span.set_attribute("http.response.status_code", status)
    error = reason or (str(status) if status >= failed_from else "")
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
