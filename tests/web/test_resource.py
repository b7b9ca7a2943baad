"""A route that is a graph: what it answers, with which status and which headers."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import falcon
import gevent
import pytest
from webtest import TestApp

from fastdag import deadline
from fastdag.context import Context
from fastdag.errors import GraphError
from fastdag.graph import Graph
from fastdag.web.app import App
from fastdag.web.resource import GraphResource
from tests.web.common import client, graph_of, headers_of, nothing


def test_the_merged_outputs_are_the_body() -> None:
    def product(context: Context) -> dict[str, Any]:
        return {"id": context.path["id"]}

    def stars(context: Context) -> dict[str, Any]:
        return {"stars": 4}

    response = client(graph_of(product, stars), "/products/{id:int}").get("/products/42")

    assert response.status_int == 200
    assert response.body == b'{"id":42,"stars":4}'
    assert response.content_type == "application/json"
    assert response.headers["Fastdag-Complete"] == "true"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Fastdag-Missing" not in response.headers
    assert "Cache-Control" not in response.headers


def test_nodes_see_the_whole_request() -> None:
    seen: dict[str, Any] = {}

    def node(context: Context) -> None:
        assert isinstance(context, Context)
        seen.update(
            path=context.path,
            query=context.query,
            accept=context.headers["accept"],
            json=context.json,
            body=context.body,
            method=context.method,
            remaining=deadline.remaining(context.deadline),
            request=context.request,
            request_id=context.request_id,
        )

    response = client(graph_of(node, timeout=1.5), "/a/{id}", methods=("POST",)).post_json(
        "/a/b?x=1&x=2&y=", {"k": [1]}, headers={"Accept": "text/x, */*;q=0.1", "X-Request-Id": "me-1"}
    )

    assert response.status_int == 200
    assert response.headers["X-Request-Id"] == seen["request_id"] == "me-1"
    assert seen["path"] == {"id": "b"}
    assert seen["query"] == {"x": ["1", "2"], "y": ""}
    assert seen["accept"] == "text/x, */*;q=0.1"
    assert seen["json"] == {"k": [1]}
    assert seen["body"] == b'{"k": [1]}'
    assert seen["method"] == "POST"
    assert 0 < seen["remaining"] <= 1.5
    assert isinstance(seen["request"], falcon.Request)


def test_every_node_can_read_the_body() -> None:
    bodies: list[bytes] = []

    def first(context: Context) -> None:
        bodies.append(context.body)

    def second(context: Context) -> None:
        bodies.append(context.body)

    client(graph_of(first, second), methods=("PUT",)).put("/", b"plain", content_type="text/plain")

    assert bodies == [b"plain", b"plain"]


def test_middleware_and_nodes_share_the_state() -> None:
    class Login:
        def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
            req.context.user = "ann"

        def process_response(self, req: Any, resp: Any, resource: Any, succeeded: bool) -> None:
            resp.set_header("X-Seen", req.context.seen)

    def who(context: Context) -> dict[str, Any]:
        context.state["seen"] = "yes"
        return {"user": context.state["user"]}

    response = client(graph_of(who), app={"middleware": [Login()]}).get("/")

    assert response.json == {"user": "ann"}
    assert response.headers["X-Seen"] == "yes"


def test_each_request_has_contextvars_of_its_own() -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")

    class Login:
        def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
            if "login" in req.params:
                user.set("ann")

    def who(context: Context) -> dict[str, Any]:
        return {"user": user.get()}

    app = client(graph_of(who), app={"middleware": Login()})

    assert app.get("/?login=1").json == {"user": "ann"}
    assert app.get("/").json == {"user": "nobody"}
    assert user.get() == "nobody"


def test_an_unknown_attribute_of_the_context_is_an_attribute_error() -> None:
    def node(context: Context) -> dict[str, Any]:
        return {"there": hasattr(context, "nothing_of_that_name")}

    assert client(graph_of(node)).get("/").json == {"there": False}


def test_what_nodes_send_along_is_applied_in_the_order_of_declaration() -> None:
    def late(context: Context) -> None:
        gevent.sleep(0.02)
        context.response.status = 201
        context.response.headers["X-Who"] = "late"
        context.response.add_header("X-All", "late")
        context.response.add_header("X-First", "late", "first")
        context.response.add_header("Set-Cookie", "a=1", "last")

    def early(context: Context) -> None:
        context.response.status = 202
        context.response.headers["x-who"] = "early"
        context.response.add_header("X-All", "early")
        context.response.add_header("X-First", "early", "first")
        context.response.add_header("Set-Cookie", "b=2", "last")

    response = client(graph_of(late, early)).get("/")

    assert response.status_int == 202
    assert response.headers["X-Who"] == "early"
    assert response.headers["X-All"] == "late, early"
    assert response.headers["X-First"] == "late"
    assert headers_of(response, "Set-Cookie") == ["a=1", "b=2"]


def test_what_a_failed_node_wanted_to_send_is_not_sent() -> None:
    graph = Graph("page")

    @graph.node(optional=True)
    def broken(context: Context) -> None:
        context.response.status = 201
        context.response.headers["X-Broken"] = "1"
        raise RuntimeError

    response = client(graph).get("/")

    assert response.status_int == 200
    assert "X-Broken" not in response.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Split", "a\r\nSet-Cookie: evil=1"),
        ("X-Null", "a\0b"),
        ("X-Wide", "€"),
        ("X Name", "a"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
    ],
)
def test_a_header_that_would_break_the_message_is_dropped(name: str, value: str) -> None:
    def node(context: Context) -> dict[str, Any]:
        context.response.headers[name] = value
        return {"ok": True}

    response = client(graph_of(node)).get("/")

    assert response.json == {"ok": True}
    assert response.headers.get(name) in (None, str(len(response.body)))
    assert "Set-Cookie" not in response.headers


def test_a_status_that_is_none_is_refused_where_it_is_set() -> None:
    def node(context: Context) -> None:
        context.response.status = 99

    with pytest.raises(ValueError, match="200 to 599, not 99"):
        node(Context())


def test_an_unknown_way_to_add_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="'first', 'last' or 'append', not 'twice'"):
        Context().response.add_header("X", "1", "twice")


def test_the_route_can_declare_how_long_complete_answers_may_be_kept() -> None:
    response = client(graph_of(nothing), cache_control="max-age=60").get("/")

    assert response.headers["Cache-Control"] == "max-age=60"


def test_head_is_answered_like_get_without_the_body() -> None:
    def node(context: Context) -> dict[str, Any]:
        return {"method": context.method}

    response = client(graph_of(node)).head("/")

    assert response.status_int == 200
    assert response.body == b""
    assert response.headers["Content-Length"] == str(len(b'{"method":"HEAD"}'))


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*", "text/html, */*;q=0.1", ""])
def test_a_client_that_takes_json_gets_it(accept: str) -> None:
    assert client(graph_of(nothing)).get("/", headers={"Accept": accept}).status_int == 200


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/png, text/*", "nonsense"])
def test_a_client_that_takes_no_json_is_told_so_before_any_node_runs(accept: str) -> None:
    def node(context: Context) -> None:
        raise AssertionError

    response = client(graph_of(node)).get("/", headers={"Accept": accept}, status=406)

    assert response.content_type == "application/problem+json"


def test_options_says_what_is_allowed() -> None:
    response = client(graph_of(nothing), methods=("GET", "POST")).options("/")

    assert response.status_int == 200
    assert {name.strip() for name in response.headers["Allow"].split(",")} == {"GET", "HEAD", "POST"}


def test_a_plain_falcon_app_can_be_answered_by_a_graph() -> None:
    def product(context: Context) -> dict[str, Any]:
        return {"id": context.path["id"]}

    def broken(context: Context) -> None:
        raise ValueError("secret")

    plain = falcon.App()
    plain.add_route("/products/{id}", GraphResource(graph_of(product)))
    plain.add_route("/broken", GraphResource(graph_of(broken)))
    app = TestApp(plain)

    response = app.get("/products/42")
    assert response.json == {"id": "42"}
    assert response.headers["Fastdag-Complete"] == "true"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    failed = app.get("/broken", status=500)
    assert failed.content_type == "application/problem+json"
    assert failed.json["node"] == "broken"


def test_data_that_has_no_json_form_names_node_and_place() -> None:
    def good(context: Context) -> dict[str, Any]:
        return {"a": 1}

    def bad(context: Context) -> dict[str, Any]:
        return {"prices": [1, object()]}

    response = client(graph_of(good, bad), app={"expose_errors": True}).get("/", status=500)

    assert response.json["node"] == "bad"
    assert response.json["detail"].startswith("the data of 'bad' is no JSON at $.prices[1]: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": "GET"}, r"methods takes a tuple: methods=\('GET',\)"),
        ({"methods": ("GET", "BREW")}, "methods are some of GET, HEAD, .*, not 'BREW'"),
        ({"methods": ("get",)}, "not 'get'"),
        ({"methods": ()}, "not none"),
        ({"timeout": -1}, "timeout takes a positive number of seconds"),
        ({"partial_status": 404}, "partial_status is a number from 200 to 299, not 404"),
        ({"on_partial": "retry"}, "on_partial is 'serve' or 'fail', not 'retry'"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        App().add_graph("/", graph_of(nothing), **arguments)


def test_something_else_than_a_graph_is_refused() -> None:
    with pytest.raises(TypeError, match="a route is answered by a Graph, not by <function nothing"):
        App().add_graph("/", nothing)  # type: ignore[arg-type]


def test_a_broken_graph_is_refused_when_it_is_bound() -> None:
    with pytest.raises(GraphError):
        App().add_graph("/", Graph("empty"))
