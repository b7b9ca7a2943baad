"""One line per request, whatever comes in, and no secret in it."""

import io
import json
import logging
import os

import pytest
from webtest import TestApp

from fastdag.errors import UpstreamTimeout
from fastdag.graph import Graph
from fastdag.observe.log import Lines, Log
from fastdag.observe.metrics import Metrics
from fastdag.upstream.policies.cache import Cache
from fastdag.web.app import App
from tests.observe.common import client, shop, upstream


class Sink(io.StringIO):
    @property
    def lines(self):
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def sink():
    return Sink()


def test_a_request_is_one_line_with_all_that_is_known_of_it(sink):
    catalog = upstream((503, b""), (200, b'{"id": 7}'))
    headers = {"X-Request-Id": "me-1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    client(shop(catalog), Log(sink)).get("/products/7?token=secret", headers=headers)
    (line,) = sink.lines
    assert line["time"].endswith("Z")
    assert {name: line[name] for name in ("event", "method", "route", "path", "status", "complete", "retries")} == {
        "event": "request",
        "method": "GET",
        "route": "/products/{id}",
        "path": "/products/7",
        "status": 200,
        "complete": True,
        "retries": 1,
    }
    assert (line["request_id"], line["trace_id"]) == ("me-1", "0af7651916cd43dd8448eb211c80319c")
    assert [(node["node"], node["state"]) for node in line["nodes"]] == [
        ("product", "ok"),
        ("seller", "ok"),
        ("offer", "ok"),
    ]
    assert all(node["ms"] >= 0 for node in line["nodes"]) and line["ms"] > 0
    calls = [
        (call["upstream"], call["node"], call["path"], call["status"], call["depends_on"]) for call in line["calls"]
    ]
    assert calls == [
        ("catalog", "product", "/products/7", 200, []),
        ("catalog", "seller", "/sellers/7", 200, ["product"]),
    ]
    assert "secret" not in sink.getvalue()


def test_upstream_lines_name_what_they_depend_on(sink):
    client(shop(upstream()), Log(sink, upstreams=True)).get("/products/7", headers={"X-Request-Id": "me-1"})
    request, *calls = sink.lines
    assert [line["event"] for line in calls] == ["upstream"] * 2
    assert {line["request_id"] for line in calls} == {"me-1"}
    assert {line["trace_id"] for line in calls} == {request["trace_id"]}
    assert [line["depends_on"] for line in calls] == [[], ["product"]]


def test_what_went_wrong_is_said_by_its_reason(sink):
    catalog = upstream(lambda call: UpstreamTimeout("token=abc") if "seller" in call.target else (200, b'{"id": 7}'))
    client(shop(catalog), Log(sink)).get("/products/7")
    (line,) = sink.lines
    assert line["complete"] is False
    assert [node.get("reason") for node in line["nodes"]] == [None, "timeout", None]
    assert [call.get("reason") for call in line["calls"]] == [None, "timeout"]


def test_what_policies_did_is_counted(sink):
    app = client(shop(upstream(cache=Cache(ttl=60))), Log(sink))
    app.get("/products/7")
    app.get("/products/7")
    assert [line.get("events") for line in sink.lines] == [{"cache.miss": 2}, {"cache.hit": 2}]


def test_answers_without_a_graph_are_logged_too(sink):
    app = client(shop(upstream()), Log(sink, skip=("/readyz",)))
    app.get("/livez")
    app.get("/readyz")
    app.get("/nowhere", status=404)
    assert [(line["route"], line["status"], line["complete"]) for line in sink.lines] == [
        ("/livez", 200, None),
        ("", 404, None),
    ]


def test_a_client_that_left_is_499(sink):
    graph = Graph("page")

    @graph.node
    def leaves(context):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client(graph, Log(sink), path="/").get("/")
    (line,) = sink.lines
    assert (line["status"], line["route"]) == (499, "/")


def test_an_answer_in_frames_is_logged_when_it_has_ended(sink):
    app = App(observe=[Log(sink)])
    app.add_graph("/products/{id}", shop(upstream()), stream=True)
    TestApp(app).get("/products/7", headers={"Accept": "application/x-ndjson"})
    (line,) = sink.lines
    assert (line["status"], len(line["nodes"]), len(line["calls"])) == (200, 3, 2)


NASTY = [
    "/a%0Ab",
    "/a%0D%0A%7B%22event%22:%22forged%22%7D",
    "/%1B%5B2J",
    "/%E2%80%A8%C2%85%E2%80%A9",
    "/%FF%FE%00",
    "/%ED%A0%80",
    "/%E2%80%AEtxt",
    "/" + "x" * 50_000,
    "/${jndi:ldap://evil}",
]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("path", NASTY)
def test_every_request_is_one_printable_line(sink, form, path):
    graph = Graph("page")
    graph.fetch("echo", upstream(), "/{path.rest}")
    client(graph, Log(sink, form=form), path="/{rest}").get(path, status="*")
    (line,) = sink.getvalue().splitlines()
    assert line.isprintable()
    assert len(line) < 20_000
    sink.getvalue().encode("utf-8")


@pytest.mark.parametrize("method", ["G\x1bT", "x" * 1000])
def test_no_method_breaks_the_line(sink, method):
    app = client(shop(upstream()), Log(sink))
    app.lint = False
    app.request("/", method=method, status="*")
    assert len(sink.lines) == 1


def test_a_person_reads_it_too(sink):
    catalog = upstream(lambda call: UpstreamTimeout("late") if "seller" in call.target else (200, b'{"id": 7}'))
    client(shop(catalog), Log(sink, form="console", upstreams=True)).get("/products/7", headers={"X-Request-Id": "me"})
    request, product, seller = sink.getvalue().splitlines()
    assert " 200 GET /products/7 " in request
    assert "partial" in request and "(timeout)" in request and request.endswith("2 calls  [me]")
    assert product.endswith("ms [me]")
    assert seller.endswith("timeout after product [me]")


def test_a_log_that_nobody_reads_holds_up_nobody_and_what_is_lost_is_counted():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        log, metrics = Log(stream, form="json"), Metrics()
        app = client(shop(upstream()), log, metrics)
        path = "/" + "x" * 1900
        while not log.dropped:  # the pipe is full, then the buffer
            app.get(path, status=404)
        assert metrics.numbers()["fastdag_log_lines_dropped_total",] == [log.dropped]
        os.close(reading)  # so that the thread can end


def test_a_form_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="form is"):
        Log(form="xml")


def test_log_records_are_one_line_each_redacted_and_with_their_traceback():
    try:
        raise ValueError("token=SECRET1 at 10.0.0.5\nCookie: sid=SECRET2; a=SECRET3")
    except ValueError as error:
        made = logging.LogRecord(
            "fastdag.web", logging.ERROR, "", 1, "%s\n raised", ("a\nb",), (type(error), error, error.__traceback__)
        )
    line = Lines().format(made)
    assert len(line.splitlines()) == 1
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "a\\u000ab\\u000a raised")
    assert "ValueError: token=***" in told["traceback"]
    assert "SECRET" not in line
