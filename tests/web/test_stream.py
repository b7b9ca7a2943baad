"""Answers in frames: each output when it is there, and a last frame that says how it ended."""

from __future__ import annotations

from typing import Any

import falcon
import gevent
import gevent.event
import msgspec
import pytest
from webob import Request
from webtest import TestApp

from fastdag.context import Context
from fastdag.errors import UpstreamTimeout
from fastdag.graph import Graph
from fastdag.web.app import App
from tests.web.common import client, graph_of, nothing


class Shop:
    """A page whose slow part waits until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = gevent.event.Event()
        self.cancelled = gevent.event.Event()
        self.failure: BaseException | None = None
        self.graph = Graph("shop")
        self.graph.node(output="slow")(self.slow)
        self.graph.node(output=True)(self.product)
        self.graph.node(optional=True)(self.ads)

    def slow(self, context: Context) -> str:
        try:
            self.go_on.wait()
        except gevent.GreenletExit:
            self.cancelled.set()
            raise
        if self.failure is not None:
            raise self.failure
        return "at last"

    def product(self, context: Context) -> dict[str, int]:
        return {"id": 1}

    def ads(self, context: Context) -> None:
        raise UpstreamTimeout("10.0.0.5")


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def app(shop: Shop) -> App:
    made = App(max_in_flight=1)
    made.add_graph("/", shop.graph, stream=True)
    return made


class Reader:
    """A client that reads a body frame by frame."""

    def __init__(self, app: App, accept: str, path: str = "/") -> None:
        environ = Request.blank(path, headers={"Accept": accept}).environ
        self.body: Any = app(environ, self._start)
        self._frames = iter(self.body)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status = status
        self.headers = dict(headers)

    def frame(self) -> bytes:
        return next(self._frames)

    def rest(self) -> list[bytes]:
        found = list(self._frames)
        self.body.close()
        return found


def lines(frames: list[bytes]) -> list[Any]:
    return [msgspec.json.decode(frame) for frame in frames]


def test_outputs_come_when_they_are_there_and_the_end_says_what_is_missing(app: App, shop: Shop) -> None:
    reader = Reader(app, "application/x-ndjson")

    assert reader.status == "200 OK"
    assert reader.headers["content-type"] == "application/x-ndjson"
    assert reader.headers["cache-control"] == "no-store"
    assert reader.headers["vary"] == "accept"
    assert "content-length" not in reader.headers
    assert "x-request-id" in reader.headers
    assert reader.frame() == b'{"frame":"output","node":"product","key":null,"data":{"id":1}}\n'
    shop.go_on.set()
    assert lines(reader.rest()) == [
        {"frame": "output", "node": "slow", "key": "slow", "data": "at last"},
        {"frame": "end", "complete": False, "missing": [{"node": "ads", "reason": "timeout", "state": "failed"}]},
    ]


def test_the_same_as_events(app: App, shop: Shop) -> None:
    reader = Reader(app, "text/event-stream")

    assert reader.headers["content-type"].startswith("text/event-stream")
    assert reader.frame() == b'event: output\ndata: {"node":"product","key":null,"data":{"id":1}}\n\n'
    shop.go_on.set()
    assert [frame.split(b"\n")[0] for frame in reader.rest()] == [b"event: output", b"event: end"]


def test_a_failure_after_the_first_frame_is_the_last_frame(app: App, shop: Shop) -> None:
    reader = Reader(app, "application/x-ndjson")
    reader.frame()
    shop.failure = UpstreamTimeout("10.0.0.5")
    shop.go_on.set()

    (last,) = lines(reader.rest())

    assert (last["frame"], last["status"], last["node"], last["reason"]) == ("problem", 504, "slow", "timeout")
    assert last["request_id"] == reader.headers["x-request-id"]
    assert "10.0.0.5" not in str(last)


@pytest.mark.parametrize(("failure", "status"), [(falcon.HTTPGone(), 410), (falcon.HTTPSeeOther("/x"), 500)])
def test_what_falcon_would_answer_is_the_last_frame_too(
    app: App, shop: Shop, failure: BaseException, status: int
) -> None:
    reader = Reader(app, "application/x-ndjson")
    reader.frame()
    shop.failure = failure
    shop.go_on.set()

    assert lines(reader.rest())[0]["status"] == status


def test_a_failure_before_the_first_frame_is_a_status() -> None:
    def broken(context: Context) -> None:
        raise UpstreamTimeout("")

    app = client(graph_of(broken), stream=True)
    response = app.get("/", headers={"Accept": "application/x-ndjson"}, status=504)

    assert response.content_type == "application/problem+json"
    assert response.json["node"] == "broken"
    assert app.app.in_flight == 0


def test_data_without_a_json_form_is_told_of_at_the_end() -> None:
    def good(context: Context) -> int:
        return 1

    def bad(context: Context) -> object:
        return object()

    reader = Reader(client(graph_of(good, bad), stream=True).app, "application/x-ndjson")

    frames = lines(reader.rest())
    assert [frame["frame"] for frame in frames] == ["output", "problem"]
    assert frames[1]["status"] == 500


def test_a_client_that_leaves_stops_the_run(app: App, shop: Shop) -> None:
    reader = Reader(app, "application/x-ndjson")
    reader.frame()
    assert app.in_flight == 1

    reader.body.close()

    assert shop.cancelled.wait(timeout=5)
    assert app.in_flight == 0


def test_a_client_that_leaves_before_the_first_frame_stops_the_run() -> None:
    started, cancelled = gevent.event.Event(), gevent.event.Event()

    def slow(context: Context) -> None:
        started.set()
        try:
            gevent.sleep(5)
        except gevent.GreenletExit:
            cancelled.set()
            raise

    app = client(graph_of(slow), stream=True).app
    request = gevent.spawn(Reader, app, "application/x-ndjson")
    assert started.wait(timeout=5)
    request.kill()

    assert cancelled.wait(timeout=5)
    assert app.in_flight == 0


def test_a_stream_counts_as_in_flight_until_it_ends(app: App, shop: Shop) -> None:
    reader = Reader(app, "application/x-ndjson")
    browser = TestApp(app)

    browser.get("/", status=503)
    shop.go_on.set()
    reader.rest()
    assert browser.get("/").status_int == 200


def test_a_stream_that_middleware_replaces_is_stopped() -> None:
    class Breaking:
        def process_response(self, req: Any, resp: Any, resource: Any, succeeded: bool) -> None:
            if not resp.status.startswith("5"):
                raise falcon.HTTPServiceUnavailable

    app = client(graph_of(nothing), stream=True, app={"middleware": Breaking()})
    app.get("/", headers={"Accept": "application/x-ndjson"}, status=503)

    assert app.app.in_flight == 0


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/event-stream", None])
def test_everybody_else_gets_one_document(accept: str | None) -> None:
    app = client(graph_of(nothing), stream=True)

    response = app.get("/", headers={} if accept is None else {"Accept": accept})

    assert response.content_type == "application/json"
    assert response.headers["Vary"] == "accept"


def test_head_and_other_types_are_negotiated_too() -> None:
    app = client(graph_of(nothing), stream=True)

    assert app.head("/", headers={"Accept": "text/event-stream"}).status_int == 200
    refused = app.get("/", headers={"Accept": "text/html"}, status=406)
    assert "text/event-stream" in refused.json["detail"]


def test_a_route_that_does_not_stream_says_so() -> None:
    client(graph_of(nothing)).get("/", headers={"Accept": "text/event-stream"}, status=406)


def test_only_what_is_asked_for_is_streamed(app: App) -> None:
    frames = lines(Reader(app, "application/x-ndjson", "/?fields=id").rest())

    assert frames == [
        {"frame": "output", "node": "product", "key": None, "data": {"id": 1}},
        {"frame": "end", "complete": False, "missing": [{"node": "ads", "reason": "timeout", "state": "failed"}]},
    ]
