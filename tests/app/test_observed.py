"""The shop under real gunicorn, as those see it who operate it: its numbers, its spans, its log."""

import json
import os
import re
import signal
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import gevent
import msgspec
import pytest
import requests
from gevent.pywsgi import WSGIServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from fastdag.observe.install import Observers
from fastdag.observe.timeline import Timeline
from tests.app.conftest import WORKERS, behind_gunicorn

REQUESTS = "http_server_request_duration_seconds_count"
ATTEMPTS = "http_client_request_duration_seconds_count"
NODES = "fastdag_node_duration_seconds_count"
PAGE = "/products/{id:int(min=1)}"


def until(condition, *, seconds=15.0):
    """Ask again until something is so."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"never so within {seconds} s"
        gevent.sleep(0.02)
    return found


def workers(process):
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def ops_ports(pid, public):
    """The ports that a worker listens on by itself: proc(5)."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(descriptor))
        except FileNotFoundError:  # closed meanwhile
            continue
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {
        int(line[1].partition(":")[2], 16) for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets
    }
    return listening - {public}


class Shop:
    """Two workers, each of which tells its numbers and those of the other at an address of its own."""

    def __init__(self, process, address, folder):
        self.process = process
        self.address = address
        self.folder = folder
        self.asked = 0

    def ask(self, path="/products/7"):
        self.asked += path.startswith("/products")
        return requests.get(self.address + path, timeout=10)

    def scrape(self, pid):
        """What one worker says, in order of name and labels."""
        (port,) = until(lambda: ops_ports(pid, int(self.address.rpartition(":")[2])))
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, pid, name, **labels):
        return sum(
            sample.value
            for sample in self.scrape(pid)
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def answered(self, pid):
        """How many pages have been asked for, as one worker knows it."""
        return self.total(pid, REQUESTS, http_route=PAGE)

    def until_all_is_known_to(self, pid):
        until(lambda: self.answered(pid) == self.asked)

    def own(self, pid):
        """How many pages one worker has answered itself, as it has written."""
        (file,) = until(lambda: list(self.folder.glob(f"{pid}-*.numbers")))
        numbers = msgspec.msgpack.decode(file.read_bytes())
        return sum(sum(values[:-1]) for key, values in numbers if key[0] == REQUESTS[:-6] and key[3] == PAGE)


@contextmanager
def two_workers(tmp_path, worker):
    environ = {"WEB_CONCURRENCY": "2", "SHOP_METRICS": "true", "SHOP_OPS_ADDRESS": "127.0.0.1:0"}
    with behind_gunicorn(worker, **environ, FASTDAG_METRICS_DIR=str(tmp_path)) as (process, address):
        until(lambda: len(list(tmp_path.glob("*.alive"))) == 2)
        yield Shop(process, address, tmp_path)


@pytest.fixture(params=WORKERS)
def watched(request, services, tmp_path):
    with two_workers(tmp_path, request.param) as found:
        yield found


def test_the_numbers_of_two_workers_add_up_whichever_is_asked(watched):
    pair = workers(watched.process)
    while not all(watched.own(pid) for pid in pair):  # both have answered some
        gevent.joinall([gevent.spawn(watched.ask, f"/products/{number % 40 + 1}") for number in range(20)])
        assert watched.asked < 2000
    assert watched.ask("/products/999999").status_code == 404
    for pid in pair:
        watched.until_all_is_known_to(pid)
        assert watched.total(pid, REQUESTS, http_route=PAGE, http_response_status_code="404") == 1
        assert watched.total(pid, NODES, graph="product_page", node="product") == watched.asked
        assert watched.total(pid, ATTEMPTS, upstream="reviews", http_request_method="GET") >= watched.asked - 1
        assert watched.total(pid, "http_server_active_requests") == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_counters_never_fall_when_a_worker_is_replaced(watched, end):
    first, second = workers(watched.process)
    while not watched.own(first) or not watched.own(second):
        gevent.joinall([gevent.spawn(watched.ask) for _ in range(20)])
        assert watched.asked < 2000
    until(lambda: watched.own(first) + watched.own(second) == watched.asked)  # all is written
    os.kill(first, end)

    def replaced():
        assert watched.answered(second) == watched.asked
        return len(workers(watched.process) - {first}) == 2

    until(replaced)
    (third,) = workers(watched.process) - {first, second}
    watched.until_all_is_known_to(third)
    watched.ask()
    for pid in (second, third):
        watched.until_all_is_known_to(pid)


class Collector:
    """An OTLP receiver on the loopback."""

    def __init__(self):
        self.spans = []
        self._server = WSGIServer(("127.0.0.1", 0), self._collect, log=None)

    def _collect(self, environ, start_response):
        request = ExportTraceServiceRequest.FromString(environ["wsgi.input"].read())
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        start_response("200 OK", [("Content-Type", "application/x-protobuf")])
        return [ExportTraceServiceResponse().SerializeToString()]

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(timeout=1)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"


def attributes(span):
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


#: The paths that the nodes of a page ask for; those of lists come from what another node was answered.
ASKED = {
    "product": "/products/{0}",
    "price": "/prices/{0}",
    "stock": "/stock/{0}",
    "reviews": "/reviews/{0}",
    "related": "/related/{0}",
    "related_products": "/products",
    "related_prices": "/prices",
}


@pytest.mark.parametrize("worker", WORKERS)
def test_200_requests_at_once_have_the_right_parents(services, worker):
    def ask(number):
        headers = {"traceparent": f"00-{number + 1:032x}-b7ad6b7169203331-01", "Connection": "close"}
        requests.get(f"{address}/products/{number + 1}", headers=headers, timeout=30)

    with Collector() as collector:
        environ = {"SHOP_TRACES_URL": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", "SHOP_MAX_IN_FLIGHT": "1000"}
        environ |= {"SHOP_PAGE_TIMEOUT": "30", "SHOP_EXTRAS_TIMEOUT": "20", "OTEL_BSP_MAX_QUEUE_SIZE": "20000"}
        with behind_gunicorn(worker, **environ) as (process, address):
            gevent.joinall([gevent.spawn(ask, number) for number in range(200)], raise_error=True)
            process.terminate()  # the last spans leave when the worker ends
            assert process.wait(timeout=20) == 0
    spans = [span for span in collector.spans if int.from_bytes(span.trace_id, "big") <= 200]
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans) == sum(check(span, by_id) for span in spans)
    names = [span.name for span in spans]
    # So many at once are more than the machine can do in no time: what can be left out is left out.
    assert names.count(f"GET {PAGE}") == 200
    assert names.count("product_page") == names.count("product") > 100
    assert names.count("GET") > 500


def check(span, by_id):
    """Every span has the parent that it must have, of its own request, and asked for what that asks for."""
    number = int.from_bytes(span.trace_id, "big")
    told = attributes(span)
    if span.kind == Span.SPAN_KIND_SERVER:
        assert (span.parent_span_id.hex(), told["url.path"]) == ("b7ad6b7169203331", f"/products/{number}")
        return True
    parent = by_id[span.parent_span_id]
    assert parent.trace_id == span.trace_id
    assert parent.start_time_unix_nano <= span.start_time_unix_nano
    if span.kind == Span.SPAN_KIND_CLIENT:
        path = told["url.full"].partition("://")[2].partition("/")[2]
        assert f"/{path}" == ASKED.get(parent.name, "/sellers/" + path.rpartition("/")[2]).format(number)
        assert parent.name in (*ASKED, "seller")
    elif "fastdag.node" in told:
        assert (span.name, parent.name) == (told["fastdag.node"], "product_page")
    else:
        assert (span.name, parent.name) == ("product_page", f"GET {PAGE}")
    return True


@pytest.mark.parametrize(
    ("service", "nodes"), [("prices", ("price", "related_prices")), ("recommendations", ("related",))]
)
def test_a_what_if_of_a_page_is_what_it_is_then(shop, fault, service, nodes):
    """`related` before two that take nearly the same, before `recommendations`."""
    seconds = {"recommendations": 0.1, "catalogue": 0.1, "prices": 0.12}
    page = import_module("app.graphs.product_page").product_page
    before, after = Timeline(), Timeline()
    for timeline in (before, after):
        for name, delay in seconds.items():
            fault(name, delay=delay)
        shop.get("/products/7")  # opens the connections
        observers = Observers([timeline])
        observers.watch(page)
        for _ in range(7):
            shop.get("/products/7")
        observers.unwatch()
        seconds[service] /= 2
    (route,) = before.routes()
    foreseen = before.what_if(route, dict.fromkeys(nodes, 50))
    real = after.report(route).p50
    assert foreseen.p50 - real > 0.015
    assert foreseen.p50_then == pytest.approx(real, rel=0.05)


def test_a_request_is_a_line_of_its_log_and_a_call_is_one_more(services, tmp_path):
    said = tmp_path / "said"
    with said.open("wb") as stream, behind_gunicorn(WORKERS[0], stdout=stream, SHOP_LOG="true") as (_, address):
        evil = "/products/7?token=SECRET&x=%0a%1b%5b31m"
        headers = {"Authorization": "Bearer SECRET", "Cookie": "sid=SECRET"}
        answer = requests.get(address + evil, headers={**headers, "X-Request-Id": "line-1"}, timeout=10)
        requests.get(f"{address}/no%0awhere/token=SECRET/%1b%5b31m%u2028", timeout=10)
        lines = until(lambda: [json.loads(line) for line in said.read_text().splitlines()][9:] and said.read_text())
    assert "SECRET" not in lines
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028]", lines)
    told = [json.loads(line) for line in lines.splitlines()]
    requested = [line for line in told if line["event"] == "request"]
    assert [(line["status"], line["route"]) for line in requested] == [(200, PAGE), (404, "")]
    assert (requested[0]["request_id"], requested[0]["complete"]) == ("line-1", True)
    assert answer.headers["X-Request-Id"] == "line-1"
    assert {node["node"] for node in requested[0]["nodes"]} == {*ASKED, "seller", "recommendations"}
    calls = {line["node"]: line["depends_on"] for line in told if line["event"] != "request"}
    assert calls == {
        **{node: [] for node in ("product", "price", "stock", "reviews", "related")},
        "seller": ["product"],
        "related_products": ["related"],
        "related_prices": ["related"],
    }
