"""Spans and their parents: across greenlets, over the wire, for many requests at once."""

import random

import gevent
import pytest
from gevent.pywsgi import WSGIServer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from fastdag.context import Context
from fastdag.errors import UpstreamConnectError
from fastdag.graph import Graph
from fastdag.observe.install import Observers
from fastdag.observe.timeline import Timeline
from fastdag.observe.trace import Tracing
from fastdag.upstream.policies.hedge import Hedge
from tests.observe.common import client, shop, upstream

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Bench:
    """A provider whose spans are kept."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(self.provider)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    def one(self, name):
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def parent(self, span):
        found = [other for other in self.spans if span.parent and other.context.span_id == span.parent.span_id]
        return found[0].name if found else None


@pytest.fixture
def bench():
    found = Bench()
    yield found
    found.provider.shutdown()


def traceparent(span):
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}"


def test_request_run_node_and_attempt_are_one_tree(bench):
    catalog = upstream()
    client(shop(catalog), bench.tracing).get("/products/7", headers={"traceparent": CALLER})
    request, run, product = bench.one("GET /products/{id}"), bench.one("shop"), bench.one("product")
    attempts = [span for span in bench.spans if span.kind is SpanKind.CLIENT]
    assert (request.kind, f"{request.parent.span_id:016x}") == (SpanKind.SERVER, "b7ad6b7169203331")
    assert {f"{span.context.trace_id:032x}" for span in bench.spans} == {"0af7651916cd43dd8448eb211c80319c"}
    assert [bench.parent(span) for span in (run, product, *attempts)] == [request.name, "shop", "product", "seller"]
    assert len(bench.spans) == 7


def test_the_upstreams_parent_is_the_attempt(bench):
    catalog = upstream((503, b""), (200, b'{"id": 7}'))
    client(shop(catalog), bench.tracing).get("/products/7")
    attempts = [span for span in bench.spans if span.kind is SpanKind.CLIENT]
    sent = [headers["traceparent"][:-3] for _, headers in catalog.stack.site.transport.calls]
    assert sent == [traceparent(span) for span in attempts]
    assert attempts[1].attributes["http.request.resend_count"] == 1
    assert [event.name for event in bench.one("product").events] == ["retry.scheduled"]


def test_attributes_follow_the_conventions(bench):
    client(shop(upstream()), bench.tracing).get("/products/7?token=secret")
    request, product = bench.one("GET /products/{id}"), bench.one("product")
    assert {key: value for key, value in request.attributes.items() if key != "fastdag.request_id"} == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/products/7",
        "http.route": "/products/{id}",
        "http.response.status_code": 200,
    }
    assert product.attributes["fastdag.state"] == "ok"
    attempt = next(span for span in bench.spans if span.kind is SpanKind.CLIENT)
    assert dict(attempt.attributes) == {
        "fastdag.upstream": "catalog",
        "http.request.method": "GET",
        "server.address": "catalog",
        "server.port": 8080,
        "url.full": "http://catalog:8080/products/7",
        "http.response.status_code": 200,
    }


def test_a_path_is_what_the_client_meant(bench):
    client(shop(upstream()), bench.tracing).get("/products/caf%C3%A9")
    assert bench.one("GET /products/{id}").attributes["url.path"] == "/products/café"


@pytest.mark.parametrize("path", ["/products/7", "/nowhere"])
def test_a_method_that_nobody_knows_names_no_span(bench, path):
    app = client(shop(upstream()), bench.tracing)
    app.lint = False
    app.request(path, method="BREW" + "X" * 50, status="*")
    (request,) = [span for span in bench.spans if span.kind is SpanKind.SERVER]
    assert request.name.split()[0] == "HTTP"
    assert request.attributes["http.request.method"] == "_OTHER"
    assert request.attributes["http.request.method_original"] == "BREW" + "X" * 28 + "…"


def test_an_attempts_method_that_nobody_knows_names_no_span_either(bench):
    catalog = upstream()
    Observers([bench.tracing]).watch(catalog)
    catalog.request("PURGE", "/products/7")
    attempt = bench.one("HTTP")
    assert attempt.attributes["http.request.method"] == "_OTHER"
    assert attempt.attributes["http.request.method_original"] == "PURGE"


def test_failures_are_errors_up_to_the_request(bench):
    catalog = upstream(UpstreamConnectError("refused", sent=True))
    client(shop(catalog), bench.tracing).get("/products/7", status=502)
    assert bench.one("product").attributes["error.type"] == "connect"
    for name in ("GET", "product", "shop", "GET /products/{id}"):
        assert next(span for span in bench.spans if span.name == name).status.status_code is StatusCode.ERROR
    assert not [span for span in bench.spans if span.name in ("seller", "offer")]  # they never began


def test_a_hedge_is_a_second_child_of_the_node(bench):
    def answer(call):
        if not call.attempt:
            gevent.sleep(5)
        return (200, b'{"id": 7}')

    graph = Graph("hedged")
    graph.fetch("product", upstream(answer, hedge=Hedge(after=0.001, extra=1.0)), "/products/7")
    Observers([bench.tracing]).watch(graph)
    graph.run()
    while len(bench.spans) < 4:  # the one that lost ends when it has been interrupted
        gevent.sleep(0.001)
    attempts = [span for span in bench.spans if span.kind is SpanKind.CLIENT]
    assert [bench.parent(span) for span in attempts] == ["product", "product"]


def test_a_graph_run_by_a_node_is_below_that_node(bench):
    inner, outer = Graph("inner"), Graph("outer")
    inner.node(id="leaf")(lambda context: 1)
    outer.node(id="branch")(lambda context: inner.run(context).merged)
    Observers([bench.tracing]).watch(inner, outer)
    outer.run()
    parents = {span.name: bench.parent(span) for span in bench.spans}
    assert parents == {"outer": None, "branch": "outer", "inner": "branch", "leaf": "inner"}


def test_what_a_node_spawns_is_below_that_node(bench):
    catalog, graph = upstream(), Graph("spawning")

    @graph.node
    def parent(context):
        return context.spawn(catalog.get, "/x").get().status_code

    Observers([bench.tracing]).watch(graph, catalog)
    graph.run(Context())
    assert bench.parent(bench.one("GET")) == "parent"


def test_installing_it_while_a_run_is_under_way_does_no_harm(bench):
    graph = Graph("page")

    observers = Observers([bench.tracing])
    Observers([Timeline()]).watch(graph)  # so that the first run tells of its end, too

    @graph.node
    def installs(context):
        observers.watch(graph)

    @graph.node
    def after(context, installs):
        return 1

    graph.run()
    graph.run()
    assert [span.name for span in bench.spans].count("page") == 1
    assert graph.instruments.heard >= {"run.started", "run.ended", "node.started", "node.ended"}


def test_a_node_that_is_interrupted_ends_with_the_run(bench):
    graph = Graph("late", timeout=0.05)
    graph.node(id="slow", optional=True)(lambda context: gevent.sleep(5))
    Observers([bench.tracing]).watch(graph)
    graph.run()
    assert bench.one("slow").attributes["error.type"] == "timeout"


def test_200_requests_at_once_have_the_right_parents(bench):
    lots = random.Random(7)

    def answer(call):
        gevent.sleep(lots.uniform(0, 0.02))
        if lots.random() < 0.1:
            return UpstreamConnectError("refused")
        return (200, b'{"id": %d}' % int(call.target.rpartition("/")[2]))

    catalog = upstream(answer, breaker=None)
    app = client(shop(catalog), bench.tracing, max_in_flight=None)

    def ask(number):
        trace = f"{number + 1:032x}"
        app.get(f"/products/{number}", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}, status="*")

    gevent.joinall([gevent.spawn(ask, number) for number in range(200)], raise_error=True)
    by_id = {span.context.span_id: span for span in bench.spans}
    requests = [span for span in bench.spans if span.kind is SpanKind.SERVER]
    assert len({span.context.trace_id for span in requests}) == 200
    kinds = {"product": "shop", "seller": "shop", "offer": "shop", "shop": "GET /products/{id}"}
    for span in bench.spans:
        if span.kind is SpanKind.SERVER:
            assert span.context.trace_id == int(span.attributes["url.path"].rpartition("/")[2]) + 1
            continue
        parent = by_id[span.parent.span_id]
        assert parent.context.trace_id == span.context.trace_id
        if span.kind is SpanKind.CLIENT:
            number = span.context.trace_id - 1
            path = {"product": f"/products/{number}", "seller": f"/sellers/{number}"}[parent.name]
            assert span.attributes["url.full"] == f"http://catalog:8080{path}"
        else:
            assert parent.name == kinds[span.name]
        assert parent.start_time <= span.start_time


def test_without_an_sdk_the_callers_trace_goes_on(bench):
    catalog = upstream()
    client(shop(catalog), Tracing()).get("/products/7", headers={"traceparent": CALLER})
    assert {headers["traceparent"] for _, headers in catalog.stack.site.transport.calls} == {CALLER}


def test_spans_reach_a_collector():
    received = []

    def collect(environ, start_response):
        assert environ["PATH_INFO"] == "/v1/traces"
        received.append(ExportTraceServiceRequest.FromString(environ["wsgi.input"].read()))
        start_response("200 OK", [("Content-Type", "application/x-protobuf")])
        return [ExportTraceServiceResponse().SerializeToString()]

    collector = WSGIServer(("127.0.0.1", 0), collect, log=None)
    collector.start()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{collector.server_port}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        client(shop(upstream()), Tracing(provider)).get("/products/7", headers={"traceparent": CALLER})
        assert provider.force_flush(5000)
    finally:
        provider.shutdown()
        collector.stop(timeout=1)
    spans = {
        span.name: span
        for request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert set(spans) == {"GET /products/{id}", "shop", "product", "seller", "offer", "GET"}
    assert spans["product"].parent_span_id == spans["shop"].span_id
    assert spans["GET /products/{id}"].parent_span_id.hex() == "b7ad6b7169203331"
    (service,) = [
        a.value.string_value for a in received[0].resource_spans[0].resource.attributes if a.key == "service.name"
    ]
    assert service == "shop"
