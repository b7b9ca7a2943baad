"""What a client is told when a required node fails: a status by whose fault it is, and nothing from inside."""

from __future__ import annotations

import logging
import math
from typing import Any

import falcon
import gevent
import pytest

from fastdag.context import Context
from fastdag.errors import (
    InvalidValue,
    MissingValue,
    NodeError,
    Relayed,
    UpstreamConnectError,
    UpstreamDecodeError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamStatusError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from fastdag.graph import Graph
from fastdag.outcome import REASONS
from fastdag.upstream.call import Headers, Response
from fastdag.upstream.client import Upstream
from fastdag.web.problem import STATUS
from tests.web.common import client, graph_of, nothing

SECRET = "token=SECRET at 10.0.0.5"


def failing(error: BaseException) -> Graph:
    def broken(context: Context) -> None:
        raise error

    return graph_of(broken)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (UpstreamTimeout(SECRET), 504, "timeout"),
        (TimeoutError(SECRET), 504, "timeout"),
        (UpstreamConnectError(SECRET), 502, "connect"),
        (ConnectionResetError(SECRET), 502, "connect"),
        (UpstreamProtocolError(SECRET), 502, "protocol"),
        (UpstreamStatusError(SECRET, status=500), 502, "status"),
        (UpstreamStatusError(SECRET, status=404), 502, "status"),
        (UpstreamDecodeError(SECRET), 502, "decode"),
        (UpstreamTooLarge(SECRET), 502, "too_large"),
        (MissingValue(SECRET), 502, "dependency"),
        (InvalidValue(SECRET), 400, "invalid"),
        (ValueError(SECRET), 500, "exception"),
        (RecursionError(SECRET), 500, "exception"),
        (SystemExit(SECRET), 500, "exception"),
    ],
)
def test_the_status_says_whose_fault_it_is_and_nothing_leaks(
    error: BaseException, status: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = client(failing(error)).get("/", status=status, headers={"X-Request-Id": "r-1"})

    assert response.content_type == "application/problem+json"
    assert response.json == {
        "type": "about:blank",
        "title": response.status.partition(" ")[2],
        "status": status,
        "node": "broken",
        "reason": reason,
        "failures": [{"node": "broken", "reason": reason}],
        "request_id": "r-1",
    }
    assert "SECRET" not in str(response.headers) + response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Retry-After" not in response.headers
    assert any(record.levelno == logging.ERROR for record in caplog.records) == (status == 500)
    assert "token=SECRET" not in caplog.text, "FAULTS M15"


@pytest.mark.parametrize(
    ("template", "where", "pointer"),
    [
        ("{query.q}", "query", "/q"),
        ("{headers.X-Tenant}", "headers", "/X-Tenant"),
        ("{json.customer.id}", "body", "/customer/id"),
    ],
)
def test_what_the_client_left_out_is_400_and_named(template: str, where: str, pointer: str) -> None:
    graph = Graph("page")
    graph.fetch("thing", Upstream("up", "http://127.0.0.1:1"), "/x", params={"q": template})
    response = client(graph, methods=("POST",)).post_json("/", {"customer": {}}, status=400)

    assert response.json["reason"] == "invalid"
    assert response.json["failures"] == [{"node": "thing", "reason": "invalid"}]
    assert response.json["errors"] == [{"in": where, "pointer": pointer, "detail": "is required"}]


def test_what_an_upstream_left_out_is_its_fault() -> None:
    def thing(context: Context) -> dict[str, Any]:
        return {}

    graph = graph_of(thing)
    graph.fetch("more", Upstream("up", "http://127.0.0.1:1"), "/x/{thing.id}")
    response = client(graph).get("/", status=502)

    assert (response.json["node"], response.json["reason"]) == ("more", "dependency")
    assert "errors" not in response.json


@pytest.mark.parametrize(
    ("error", "reason", "retry_after"),
    [
        (UpstreamRejected("", reason="breaker_open", retry_after=2.2), "breaker_open", "3"),
        (UpstreamRejected("", reason="bulkhead_full"), "bulkhead_full", "1"),
        (UpstreamRejected("", reason="shed", retry_after=0.0), "shed", "1"),
        (UpstreamStatusError("", status=503, retry_after=1.0), "status", "1"),
        (UpstreamStatusError("", status=503, retry_after=86400.0), "status", "30"),
        (UpstreamStatusError("", status=429), "status", "1"),
        (UpstreamStatusError("", status=429, retry_after=math.nan), "status", "1"),
        (UpstreamStatusError("", status=429, retry_after=math.inf), "status", "30"),
        (UpstreamStatusError("", status=429, retry_after=-5.0), "status", "1"),
    ],
)
def test_what_is_over_soon_is_503_and_says_when_to_come_back(error: Exception, reason: str, retry_after: str) -> None:
    response = client(failing(error)).get("/", status=503)

    assert response.json["reason"] == reason
    assert response.headers["Retry-After"] == retry_after


def test_every_reason_has_a_status() -> None:
    assert set(STATUS) == REASONS


def test_the_deadline_of_a_route_is_504() -> None:
    def slow(context: Context) -> None:
        gevent.sleep(5)

    response = client(graph_of(slow), timeout=0.02).get("/", status=504)

    assert response.json["node"] == "slow"
    assert response.json["reason"] == "timeout"


def test_all_failures_are_listed_in_the_order_of_declaration() -> None:
    graph = Graph("page")

    @graph.node(optional=True)
    def reviews(context: Context) -> None:
        raise UpstreamTimeout("")

    @graph.node
    def product(context: Context) -> None:
        raise UpstreamConnectError("")

    response = client(graph).get("/", status=502)

    assert response.json["node"] == "product"
    assert response.json["failures"] == [
        {"node": "reviews", "reason": "timeout"},
        {"node": "product", "reason": "connect"},
    ]


def test_expose_errors_shows_text_and_traceback() -> None:
    response = client(failing(ValueError(SECRET)), app={"expose_errors": True}).get("/", status=500)

    assert response.json["detail"] == SECRET
    assert "in broken" in "".join(response.json["traceback"])


def test_an_http_error_raised_in_a_node_is_the_answer() -> None:
    error = falcon.HTTPConflict(description="The order was paid already.", code=17, headers={"X-Why": "paid"})

    response = client(failing(error)).get("/", status=409)

    assert response.content_type == "application/problem+json"
    assert response.json["title"] == "Conflict"
    assert response.json["detail"] == "The order was paid already."
    assert response.json["code"] == 17
    assert response.headers["X-Why"] == "paid"
    assert "node" not in response.json


def test_a_relayed_status_is_the_answer_in_our_own_words() -> None:
    def product(context: Context) -> None:
        context.response.add_header("X-Total", "0")
        body = Response(404, Headers([("WWW-Authenticate", "x")]), b"<html>SECRET</html>")
        raise Relayed(SECRET, status=404, response=body)

    response = client(graph_of(product)).get("/", status=404)

    assert response.content_type == "application/problem+json"
    assert response.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "node": "product",
        "request_id": response.headers["X-Request-Id"],
    }
    assert response.headers["X-Total"] == "0"
    assert "WWW-Authenticate" not in response.headers


def test_a_relayed_redirect_takes_along_what_was_named() -> None:
    def product(context: Context) -> None:
        context.response.add_header("Location", "/products/7")
        raise Relayed(SECRET, status=301)

    response = client(graph_of(product)).get("/", status=301)

    assert response.headers["Location"] == "/products/7"
    assert response.body == b""


def test_a_redirect_raised_in_a_node_is_the_answer() -> None:
    response = client(failing(falcon.HTTPSeeOther("/elsewhere"))).get("/", status=303)

    assert response.headers["Location"] == "/elsewhere"


def test_an_http_error_in_an_optional_node_leaves_the_answer_partial() -> None:
    graph = graph_of(nothing)

    @graph.node(optional=True)
    def ads(context: Context) -> None:
        raise falcon.HTTPNotFound

    assert client(graph).get("/").headers["Fastdag-Missing"] == "ads;reason=exception"


def test_an_http_error_in_a_graph_that_a_node_runs_is_the_answer() -> None:
    inner = failing(falcon.HTTPGone())

    def outer(context: Context) -> Any:
        return inner.run(context).merged

    client(graph_of(outer)).get("/", status=410)


def test_errors_outside_of_graphs_are_problems_too(caplog: pytest.LogCaptureFixture) -> None:
    class Plain:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            raise ValueError(SECRET)

    app = client(graph_of(nothing), "/graph")
    app.app.add_route("/plain", Plain())

    missing = app.get("/nowhere", status=404)
    assert missing.content_type == "application/problem+json"
    assert missing.json["title"] == "Not Found"
    assert missing.json["request_id"] == missing.headers["X-Request-Id"]
    not_allowed = app.post("/graph", status=405)
    assert not_allowed.content_type == "application/problem+json"
    assert "GET" in not_allowed.headers["Allow"]
    bug = app.get("/plain", status=500)
    assert bug.json["reason"] == "exception"
    assert "SECRET" not in bug.text
    assert "token=SECRET" not in caplog.text, "FAULTS M15"
    assert "token=*** at 10.0.0.5" in caplog.text
    assert "Traceback" in caplog.text


def test_errors_outside_of_graphs_are_shown_where_that_is_asked_for() -> None:
    def merge(outputs: dict[str, Any]) -> Any:
        raise KeyError("price")

    response = client(graph_of(nothing, merge=merge), app={"expose_errors": True}).get("/", status=500)

    assert response.json["detail"] == "'price'"
    assert "in merge" in "".join(response.json["traceback"])


class OutOfStock(Exception):
    pass


def handle(req: Any, resp: Any, error: Exception, params: Any) -> None:
    resp.status = 409
    resp.media = {"handled": type(error).__name__}


@pytest.mark.parametrize(
    ("handled", "raised", "status", "answer"),
    [
        (OutOfStock, OutOfStock(), 409, "OutOfStock"),
        ((KeyError, OutOfStock), OutOfStock(), 409, "OutOfStock"),
        (LookupError, KeyError("x"), 409, "KeyError"),
        (UpstreamTimeout, UpstreamTimeout(""), 409, "UpstreamTimeout"),
        (NodeError, KeyError("x"), 409, "NodeError"),
        (Exception, KeyError("x"), 409, "NodeError"),
        (OutOfStock, KeyError("x"), 500, None),
        (UpstreamStatusError, Relayed("", status=404), 404, None),
    ],
)
def test_the_program_s_own_error_handlers_get_what_nodes_raise(
    handled: Any, raised: Exception, status: int, answer: str | None
) -> None:
    app = client(failing(raised))
    app.app.add_error_handler(handled, handle)

    response = app.get("/", status=status)

    assert response.json.get("handled") == answer
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_problem_says_in_its_type_and_link_what_falcon_says() -> None:
    error = falcon.HTTPBadRequest(title="No such fruit", description="Try apples.", href="https://example.org/fruit")

    response = client(failing(error)).get("/", status=400)

    assert response.json["title"] == "No such fruit"
    assert response.json["link"]["href"] == "https://example.org/fruit"
