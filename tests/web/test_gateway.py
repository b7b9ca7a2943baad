"""What an API gateway is expected to do, re-expressed from the scenarios of Lura's integration suite.

Each is a route and an upstream that writes down what it is asked.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from webtest import TestApp

from fastdag import Graph, Upstream
from fastdag.web.app import App
from tests.web.conftest import Asked, Back


@pytest.fixture
def upstream(_back: tuple[Back, str]) -> Any:
    made = Upstream("back", _back[1], timeout=1.0, retry=None, breaker=None)
    yield made
    made.close()


def serve(graph: Graph, path: str = "/", **options: Any) -> TestApp:
    app = App()
    app.add_graph(path, graph, **options)
    return TestApp(app)


def json_answer(data: Any, *, status: str = "200 OK", headers: str = "") -> bytes:
    body = json.dumps(data).encode()
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def only(back: Back) -> Asked:
    (asked,) = back.asked
    return asked


# Forwarding


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("", "/x"),
        ("?a=1", "/x?a=1"),
        ("?a=1&b=2", "/x?a=1"),
        ("?a=1&a=2", "/x?a=1&a=2"),
        ("?a=", "/x?a="),
        ("?a=%26b%3D1", "/x?a=%26b%3D1"),
    ],
)
def test_only_named_parameters_go_upstream(back: Back, upstream: Upstream, query: str, target: str) -> None:
    graph = Graph("g")
    graph.fetch("x", upstream, "/x", params={"a": "{query.a?}"})

    serve(graph).get(f"/{query}")

    assert only(back).line.split(" ")[1] == target


def test_a_parameter_can_be_mandatory(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    graph.fetch("x", upstream, "/x", params={"a": "{query.a}"})

    assert serve(graph).get("/", status=400).json["reason"] == "invalid"
    assert back.asked == []


def test_path_parameters_go_where_they_are_named(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    graph.fetch("x", upstream, "/{path.b}/of/{path.a}", params={"a": "{path.a}"})

    serve(graph, "/{a}/{b}").get("/1/two%20words")

    assert only(back).line.split(" ")[1] == "/two%20words/of/1?a=1"


def test_headers_go_upstream_when_upstream_or_fetch_name_them(back: Back, _back: tuple[Back, str]) -> None:
    upstream = Upstream("back", _back[1], forward_headers=("X-All",), headers={"X-Fixed": "f"})
    graph = Graph("g")
    graph.fetch("x", upstream, "/x", forward_headers=("X-One",), headers={"X-Own": "{path.id}"})

    response = serve(graph, "/{id}").get("/7", headers={"X-All": "a", "X-One": "o", "X-Other": "no"})
    upstream.close()

    asked = only(back)
    assert [asked.header(name) for name in ("x-all", "x-one", "x-own", "x-fixed", "x-other")] == [
        ["a"],
        ["o"],
        ["7"],
        ["f"],
        [],
    ]
    assert response.headers["Vary"] == "x-all, x-one"


def test_the_request_id_and_the_trace_go_upstream_and_the_id_comes_back(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    graph.fetch("x", upstream, "/x")
    parent = f"00-{'1' * 32}-{'2' * 16}-01"

    response = serve(graph).get("/", headers={"X-Request-Id": "r-1", "traceparent": parent})

    assert only(back).header("x-request-id") == ["r-1"] == [response.headers["X-Request-Id"]]
    assert only(back).header("traceparent") == [parent]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_method_is_the_upstream_s_own_affair(back: Back, upstream: Upstream, method: str) -> None:
    graph = Graph("g")
    graph.fetch("x", upstream, "/x", method=method)

    serve(graph).get("/")

    assert only(back).line.startswith(method)


def test_the_body_reaches_every_upstream(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    for name in ("one", "two", "three"):
        graph.fetch(name, upstream, f"/{name}", method="POST", json="{json}")

    serve(graph, methods=("POST",)).post_json("/", {"a": [1, {"b": None}]})

    assert sorted(asked.line.split(" ")[1] for asked in back.asked) == ["/one", "/three", "/two"]
    assert all(json.loads(asked.body) == {"a": [1, {"b": None}]} for asked in back.asked)


def test_a_raw_body_goes_on_as_it_is(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    graph.fetch("x", upstream, "/x", method="POST", data="{body}")

    serve(graph, methods=("POST",)).post("/", b"\x00\xff raw", content_type="application/octet-stream")

    assert only(back).body == b"\x00\xff raw"


@pytest.mark.parametrize(
    ("how", "seen"), [("first", ["1"]), ("last", ["2"]), ("append", ["1, 2"])], ids=["first", "last", "append"]
)
def test_named_headers_come_back_in_the_order_of_declaration(
    back: Back, upstream: Upstream, how: str, seen: list[str]
) -> None:
    graph = Graph("g")
    for number in ("1", "2"):
        back.script[f"/{number}"] = json_answer({}, headers=f"X-Number: {number}\r\nX-Secret: s\r\n")
        graph.fetch(number, upstream, f"/{number}", return_headers={"X-Number": how}, output=True)

    response = serve(graph).get("/")

    assert [response.headers["X-Number"]] == seen
    assert "X-Secret" not in response.headers


def test_cookies_come_back_beside_each_other_when_they_are_named(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    for number in ("1", "2"):
        back.script[f"/{number}"] = json_answer({}, headers=f"Set-Cookie: c{number}=x\r\n")
        graph.fetch(number, upstream, f"/{number}", return_headers={"Set-Cookie": "last"}, output=True)

    response = serve(graph).get("/")

    assert [value for name, value in response.headerlist if name.lower() == "set-cookie"] == ["c1=x", "c2=x"]


# Answers, whole and partial


def test_several_answers_become_one(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    back.script["/user"] = json_answer({"name": "Ann", "address": {"city": "Bonn"}})
    back.script["/address"] = json_answer({"address": {"street": "Am Hof"}})
    graph.fetch("user", upstream, "/user", output=True)
    graph.fetch("address", upstream, "/address", output=True)

    response = serve(graph).get("/")

    assert response.json == {"name": "Ann", "address": {"city": "Bonn", "street": "Am Hof"}}
    assert response.headers["Fastdag-Complete"] == "true"


def test_a_list_can_be_the_whole_answer(back: Back, upstream: Upstream) -> None:
    graph = Graph("g", body="rows")
    back.script["/rows"] = json_answer([1, 2])
    graph.fetch("rows", upstream, "/rows")

    assert serve(graph).get("/").json == [1, 2]


@pytest.mark.parametrize(
    ("scripted", "reason"),
    [
        (3.0, "timeout"),
        (json_answer({}, status="500 Oops"), "status"),
        (json_answer({}, status="404 Not Found"), "status"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!", "decode"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"nonsense\r\n\r\n", "protocol"),
    ],
)
def test_an_optional_upstream_that_fails_leaves_the_rest(
    back: Back, upstream: Upstream, scripted: bytes | float, reason: str
) -> None:
    graph = Graph("g")
    back.script["/bad"] = scripted
    graph.fetch("good", upstream, "/good", output="good")
    graph.fetch("bad", upstream, "/bad", output="bad", optional=True)

    response = serve(graph).get("/")

    assert list(response.json) == ["good"]
    assert response.headers["Fastdag-Complete"] == "false"
    assert response.headers["Fastdag-Missing"] == f"bad;reason={reason}"
    assert response.headers["Cache-Control"] == "no-store"


def test_a_static_answer_can_stand_in(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    back.script["/bad"] = 3.0
    graph.fetch("bad", upstream, "/bad", output="bad", fallback={"static": True})

    response = serve(graph).get("/")

    assert response.json == {"bad": {"static": True}}
    assert response.headers["Fastdag-Missing"] == "bad;reason=timeout;fallback"


def test_a_static_answer_is_not_used_when_nothing_failed(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    graph.fetch("good", upstream, "/good", output="good", fallback={"static": True})

    response = serve(graph).get("/")

    assert response.json == {"good": {"id": 7, "path": "/good"}}
    assert response.headers["Fastdag-Complete"] == "true"


def test_when_all_upstreams_fail_the_answer_is_empty_or_none(back: Back, upstream: Upstream) -> None:
    optional, required = Graph("o"), Graph("r")
    back.script["/bad"] = json_answer({}, status="500 Oops")
    optional.fetch("bad", upstream, "/bad", output="bad", optional=True)
    required.fetch("bad", upstream, "/bad", output="bad")

    assert serve(optional).get("/").json == {}
    assert serve(required).get("/", status=502).json["node"] == "bad"


def test_a_slow_route_ends_at_its_own_time(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    back.script["/slow"] = 1.0
    graph.fetch("slow", upstream, "/slow")

    assert serve(graph, timeout=0.05).get("/", status=504).json["reason"] == "timeout"


@pytest.mark.parametrize(("status", "seen"), [("404 Not Found", 404), ("409 Conflict", 409), ("410 Gone", 410)])
def test_a_status_can_be_relayed(back: Back, upstream: Upstream, status: str, seen: int) -> None:
    graph = Graph("g")
    back.script["/x"] = json_answer({"secret": "SECRET"}, status=status, headers="WWW-Authenticate: x\r\n")
    graph.fetch("x", upstream, "/x", relay=(404, 409, 410))

    response = serve(graph).get("/", status=seen)

    assert response.content_type == "application/problem+json"
    assert "SECRET" not in response.text
    assert "WWW-Authenticate" not in response.headers


# Sequences


def test_a_call_can_use_what_another_brought(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    back.script["/user"] = json_answer({"id": 9, "groups": ["a", "b"]})
    graph.fetch("user", upstream, "/user")
    graph.fetch("orders", upstream, "/users/{user.id}/orders", params={"group": "{user.groups}"})

    serve(graph).get("/")

    assert [asked.line.split(" ")[1] for asked in back.asked] == ["/user", "/users/9/orders?group=a&group=b"]


def test_what_needs_a_failed_call_is_not_made(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    back.script["/user"] = json_answer({}, status="500 Oops")
    graph.fetch("user", upstream, "/user", optional=True)
    graph.fetch("orders", upstream, "/users/{user.id}/orders", output="orders")
    graph.fetch("news", upstream, "/news", output="news")

    response = serve(graph).get("/")

    assert sorted(asked.line.split(" ")[1] for asked in back.asked) == ["/news", "/user"]
    assert list(response.json) == ["news"]
    assert response.headers["Fastdag-Missing"] == "user;reason=status, orders;reason=dependency"


def test_an_answer_that_lacks_what_the_next_call_needs_is_told_apart(back: Back, upstream: Upstream) -> None:
    graph = Graph("g")
    back.script["/user"] = json_answer({"name": "nobody"})
    graph.fetch("user", upstream, "/user")
    graph.fetch("orders", upstream, "/users/{user.id}/orders")

    response = serve(graph).get("/", status=502)

    assert (response.json["node"], response.json["reason"]) == ("orders", "dependency")
    assert len(back.asked) == 1
