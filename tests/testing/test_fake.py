"""Fake upstreams: what they answer, how they go wrong, what they remember, and what they refuse to pass over."""

import math
import socket
import time

import gevent
import pytest

from fastdag import (
    Context,
    Graph,
    Upstream,
    UpstreamConnectError,
    UpstreamDecodeError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from fastdag.testing import FakeUpstream, answer, bad_json, cut, drip, hang, reset, status


@pytest.fixture
def fake():
    with FakeUpstream() as found:
        yield found


@pytest.fixture
def upstream(fake):
    made = Upstream("up", fake.url, timeout=0.8, retry=None)
    yield made
    made.close()


def test_data_is_answered_as_json_with_parts_of_the_path_in_it(fake, upstream):
    fake.on("GET /shops/{shop}/items/{id}", {"id": "{id}", "tags": ["in {shop}", "{other}"], "n": 1})
    response = upstream.get("/shops/a%20b/items/7")
    assert response.json() == {"id": "7", "tags": ["in a b", "{other}"], "n": 1}
    assert response.headers["content-type"] == "application/json"


def test_a_path_is_what_was_sent_and_its_parts_what_they_mean(fake, upstream):
    route = fake.on("GET /items/{id}", {})
    graph = Graph("page")
    graph.fetch("thing", upstream, "/items/{path.id}")
    graph.run(Context(path={"id": "a/b?c é"}))
    (call,) = route.calls
    assert (call.path, call.params) == ("/items/a%2Fb%3Fc%20%C3%A9", {"id": "a/b?c é"})


def test_text_bytes_status_and_headers_go_as_they_are_given(fake, upstream):
    fake.on("GET /text", answer("hé", status=203, headers={"X-A": "b"}))
    fake.on("GET /bytes", answer(b"\x00\xff"))
    text, raw = upstream.get("/text"), upstream.get("/bytes")
    assert (text.status_code, text.text, text.headers["x-a"]) == (203, "hé", "b")
    assert raw.content == b"\x00\xff"


def test_a_function_gets_the_call_and_returns_anything_that_can_be_scripted(fake, upstream):
    fake.on("POST /orders", lambda call: status(201, {"got": call.json(), "lang": call.query["lang"]}))
    response = upstream.post("/orders", json={"item": 1}, params={"lang": "sv"})
    assert (response.status_code, response.json()) == (201, {"got": {"item": 1}, "lang": "sv"})


def test_answers_follow_each_other_and_the_last_stays(fake, upstream):
    fake.on("GET /x", status(500), "second", "last")
    assert [upstream.get("/x").status_code for _ in range(2)] == [500, 200]
    assert [upstream.get("/x").text for _ in range(2)] == ["last", "last"]


def test_of_routes_that_match_the_last_declared_answers(fake, upstream):
    anything = fake.on("* /*", "anything")
    fake.on("GET /x/{id}", "x")
    assert [upstream.get(path).text for path in ("/x/1", "/x/1/2", "/")] == ["x", "anything", "anything"]
    assert upstream.put("/x/1").text == "anything"
    assert [str(call) for call in anything.calls] == ["GET /x/1/2", "GET /", "PUT /x/1"]


def test_a_call_is_recorded_with_everything_it_brought(fake, upstream):
    route = fake.on("PUT /things/{id}", {})
    before = time.monotonic()
    upstream.put("/things/4", data=iter([b"ab", b"c"]), params={"q": ["1", "2"], "e": ""}, headers={"X-Who": "me"})
    (call,) = route.calls
    assert fake.calls == [call]
    assert (call.method, call.path, call.params, call.body) == ("PUT", "/things/4", {"id": "4"}, b"abc")
    assert call.query == {"q": ["1", "2"], "e": ""}
    assert call.headers["x-who"] == "me"
    assert before <= call.began <= call.ended <= time.monotonic()


def test_chunks_and_trailers_of_a_request_are_read(fake):
    route = fake.on("POST /x", {})
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(fake.url.rpartition(":")[2])), timeout=5) as client:
        client.sendall(head + b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX-After: 1\r\n\r\n" + head + b"0\r\n\r\n")
        received = b""
        while received.count(b"{}") < 2:
            received += client.recv(4096)
    assert [call.body for call in route.calls] == [b"abc", b""]


def test_one_connection_serves_many_calls(fake, upstream):
    fake.on("* /x", {"x": 1})
    assert [upstream.request(method, "/x").content for method in ("GET", "HEAD", "GET")] == [
        b'{"x":1}',
        b"",
        b'{"x":1}',
    ]
    assert len(fake._serving) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (hang(), UpstreamTimeout),
        (answer(delay=30.0), UpstreamTimeout),
        (drip(pace=0.05), UpstreamTimeout),
        (reset(), UpstreamConnectError),
        (cut(), UpstreamProtocolError),
    ],
    ids=["hang", "delay", "drip", "reset", "cut"],
)
def test_every_fault_is_what_it_says(fault, error, fake, upstream):
    route = fake.on("GET /x", fault)
    with pytest.raises(error):
        upstream.get("/x")
    with gevent.Timeout(5):
        while route.calls[0].ended == math.inf:  # until the server has seen the client leave
            gevent.sleep(0.001)


def test_a_drip_that_is_waited_for_arrives(fake, upstream):
    fake.on("GET /x", drip("abc", pace=0.001))
    assert upstream.get("/x").text == "abc"


def test_bad_json_says_that_it_is_json(fake, upstream):
    fake.on("GET /x", bad_json())
    response = upstream.get("/x")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    with pytest.raises(UpstreamDecodeError):
        response.json()


def test_a_call_for_what_is_not_scripted_fails_the_test_at_the_end():
    with pytest.raises(AssertionError, match="shop:\nnothing is scripted for GET /y"), FakeUpstream("shop") as fake:
        fake.on("GET /x", {})
        up = Upstream("up", fake.url)
        assert up.get("/y").status_code == 404
        up.close()


@pytest.mark.parametrize("script", [lambda call: call.json(), object()], ids=["raises", "no JSON"])
def test_a_script_that_raises_fails_the_test_at_the_end(script):
    with pytest.raises(AssertionError, match="the answer to GET /x raised"), FakeUpstream() as fake:
        fake.on("GET /x", script)
        up = Upstream("up", fake.url)
        assert up.get("/x").status_code == 500
        up.close()


def test_a_failure_of_the_test_itself_comes_first():
    with pytest.raises(ZeroDivisionError), FakeUpstream() as fake:
        Upstream("up", fake.url).get("/y")
        raise ZeroDivisionError


def test_the_end_does_not_wait_for_calls_that_hang():
    with FakeUpstream() as fake:
        fake.on("GET /x", hang())
        up = Upstream("up", fake.url, attempt_timeout=30, retry=None)
        caller = gevent.spawn(up.get, "/x")
        while not fake.calls:
            gevent.sleep(0.001)
    caller.join(timeout=5)
    assert isinstance(caller.exception, UpstreamConnectError)


def test_connections_are_refused_once_it_has_stopped(fake, upstream):
    fake.on("GET /x", {})
    upstream.get("/x")
    fake.stop()
    with pytest.raises(UpstreamConnectError) as info:
        upstream.get("/x")
    assert not info.value.sent


def test_a_fake_has_no_address_unless_it_runs():
    fake = FakeUpstream("shop")
    with pytest.raises(RuntimeError, match="shop is not started; use it in a with block"):
        _ = fake.url
    fake.stop()


def test_routes_that_make_no_sense_are_refused(fake):
    with pytest.raises(ValueError, match="a route is a method and a path"):
        fake.on("/x", {})
    with pytest.raises(ValueError, match="GET /x needs an answer"):
        fake.on("GET /x")


def test_it_says_where_it_cannot_work(fake, monkeypatch):
    monkeypatch.setattr("fastdag.testing.fake.is_patched", lambda: False)
    with pytest.raises(RuntimeError, match="patched standard library"):
        FakeUpstream().start()


def test_it_tells_what_it_is(fake):
    fake.on("GET /x", {})
    assert repr(fake) == "<FakeUpstream fake 1 routes, 0 calls>"


def test_it_serves_a_run(fake, upstream):
    fake.on("GET /a", {"a": 1})
    fake.on("GET /b", {"b": 2})
    graph = Graph("page")
    graph.fetch("a", upstream, "/a")
    graph.fetch("b", upstream, "/b")
    assert graph.run({}).merged == {"a": 1, "b": 2}
