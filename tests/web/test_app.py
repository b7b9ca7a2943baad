"""The app around its routes: admission, health, request ids, and declaring routes."""

from __future__ import annotations

from typing import Any

import falcon
import gevent
import gevent.event
import pytest
from webtest import TestApp

from fastdag.context import Context
from fastdag.web.app import App
from tests.web.common import client, graph_of, nothing


class Blocking:
    """A node that waits until it is released, so that requests pile up."""

    def __init__(self) -> None:
        self.entered = gevent.event.Event()
        self.released = gevent.event.Event()

    def node(self, context: Context) -> None:
        self.entered.set()
        self.released.wait()


def test_more_requests_than_admitted_get_503_and_health_is_exempt() -> None:
    blocking = Blocking()
    app = client(graph_of(blocking.node), app={"max_in_flight": 1})
    seen: list[dict[str, Any]] = []
    app.app.instruments.on("request.shed", lambda name, fields: seen.append(fields))

    first = gevent.spawn(app.get, "/")
    blocking.entered.wait(timeout=5)
    shed = app.get("/", status=503, headers={"X-Request-Id": "second"})
    assert shed.content_type == "application/problem+json"
    assert shed.json["reason"] == "shed"
    assert shed.headers["Retry-After"] == "1"
    assert seen == [{"path": "/", "request_id": "second", "draining": False}]
    assert app.get("/livez").status_int == 200
    assert app.get("/readyz").status_int == 200

    blocking.released.set()
    assert first.get(timeout=5).status_int == 200
    assert app.app.in_flight == 0
    assert app.get("/").status_int == 200


def test_a_killed_request_gives_its_place_back() -> None:
    blocking = Blocking()
    app = client(graph_of(blocking.node), app={"max_in_flight": 1})

    request = gevent.spawn(app.get, "/")
    blocking.entered.wait(timeout=5)
    request.kill()

    assert app.app.in_flight == 0


def test_admission_can_be_unlimited() -> None:
    assert client(graph_of(nothing), app={"max_in_flight": None}).get("/").status_int == 200


def test_readiness_ends_where_the_server_says_that_it_does_not_go_on() -> None:
    app, alive = TestApp(App()), [True]
    app.app.start(alive=lambda: alive[0])
    app.get("/readyz", status=200)
    alive[0] = False
    app.get("/readyz", status=503)
    app.get("/livez", status=200)


def test_readiness_ends_when_draining_begins_and_everything_else_goes_on() -> None:
    app = client(graph_of(nothing))
    assert app.get("/readyz").json == {"status": "ok"}

    app.app.drain()

    response = app.get("/readyz", status=503)
    assert response.content_type == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    assert app.get("/livez").json == {"status": "ok"}
    assert app.get("/").status_int == 200
    assert app.head("/livez").status_int == 200


@pytest.mark.parametrize("given", ["ok-1", "A.b_c~d:e/f=g+h", "x" * 128])
def test_a_request_id_that_is_well_formed_is_kept(given: str) -> None:
    assert client(graph_of(nothing)).get("/", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "${jndi:ldap://x}", "\x1b[31m", "é", "a\tb", "a,b", '"a"'])
def test_a_request_id_that_is_not_is_made_anew(given: str) -> None:
    app = client(graph_of(nothing))
    app.lint = False
    request = app.RequestClass.blank("/", {"HTTP_X_REQUEST_ID": given})

    made = app.do_request(request).headers["X-Request-Id"]

    assert made != given
    assert len(made) == 32


def test_ids_that_are_made_differ() -> None:
    app = client(graph_of(nothing))

    assert len({app.get("/").headers["X-Request-Id"] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("HTTP_HOST", "a.example,b.example", "Host"),
        ("CONTENT_TYPE", "text/plain,application/json", "Content-Type"),
        ("HTTP_AUTHORIZATION", "Bearer a,Bearer b", "Authorization"),
        ("HTTP_AUTHORIZATION", "basic YTpi, Basic Yjpj", "Authorization"),
    ],
)
def test_a_header_that_may_come_once_and_came_twice_is_refused(key: str, value: str, name: str) -> None:
    app = client(graph_of(nothing))
    app.lint = False

    response = app.do_request(app.RequestClass.blank("/", {key: value}), status=400)

    assert response.json["detail"] == f"{name} is given more than once."


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CONTENT_TYPE", 'multipart/mixed; boundary="a,b"'),
        ("HTTP_AUTHORIZATION", 'Digest username="a", realm="b"'),
        ("HTTP_COOKIE", "a=1,b=2"),
    ],
)
def test_a_comma_alone_makes_no_second_header(key: str, value: str) -> None:
    app = client(graph_of(nothing))
    app.lint = False

    assert app.do_request(app.RequestClass.blank("/", {key: value})).status_int == 200


def test_everything_that_falcon_does_still_works() -> None:
    class Plain:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            resp.media = {"plain": True}

    def handle(req: Any, resp: Any, error: Any, params: Any) -> None:
        resp.status = 418
        resp.media = {"handled": True}

    class Raising:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            raise KeyError

    app = App(cors_enable=True)
    app.add_route("/plain", Plain())
    app.add_route("/raising", Raising())
    app.add_error_handler(KeyError, handle)
    browser = TestApp(app)

    response = browser.get("/plain", headers={"Origin": "https://shop.example"})
    assert response.json == {"plain": True}
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert browser.get("/raising", status=418).json == {"handled": True}


def test_methods_of_one_path_can_be_answered_by_different_graphs() -> None:
    def show(context: Context) -> dict[str, str]:
        return {"by": "show"}

    def place(context: Context) -> dict[str, str]:
        return {"by": "place"}

    app = App()
    app.add_graph("/orders", graph_of(show))
    app.add_graph("/orders", graph_of(place), methods=("POST",))
    browser = TestApp(app)

    assert browser.get("/orders").json == {"by": "show"}
    assert browser.post("/orders").json == {"by": "place"}
    assert browser.delete("/orders", status=405).headers["Allow"].count(",") >= 2
    assert sorted(app.graph_routes["/orders"]) == ["GET", "HEAD", "POST"]


def test_a_method_of_a_path_is_bound_once() -> None:
    app = App()
    app.add_graph("/orders", graph_of(nothing, id="orders"))

    with pytest.raises(ValueError, match="GET, HEAD /orders is bound to graph 'orders' already"):
        app.add_graph("/orders", graph_of(nothing, id="again"))
    with pytest.raises(ValueError, match="conflicts"):
        app.add_graph("/{a}", graph_of(nothing))
        app.add_graph("/{b}", graph_of(nothing))


@pytest.mark.parametrize("path", ["orders", "", None])
def test_a_path_without_a_slash_is_refused(path: Any) -> None:
    with pytest.raises(ValueError, match="a route's path starts with a slash: '/"):
        App().add_graph(path, graph_of(nothing))


@pytest.mark.parametrize("name", ["max_in_flight", "max_request_bytes"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "many"])
def test_limits_are_positive_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} is a positive whole number, not {value!r}"):
        App(**{name: value})


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="max_inflight"):
        App(max_inflight=3)
    with pytest.raises(TypeError, match="cache"):
        App().add_graph("/", graph_of(nothing), cache="1m")  # type: ignore[call-arg]


def test_long_ids_in_paths_do_not_change_how_a_route_is_found() -> None:
    def node(context: Context) -> dict[str, Any]:
        return {"id": context.path["id"]}

    app = client(graph_of(node), "/a/{id}")

    assert app.get("/a/%2e%2e").json == {"id": ".."}
    assert app.get("/a/b%20c").json == {"id": "b c"}
    app.get("/a/b%2fc", status=404)
    assert app.get("/a/%C3%A9").json == {"id": "é"}
