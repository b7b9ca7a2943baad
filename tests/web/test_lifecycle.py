"""Start hooks run once, before the first request; stop hooks once, after the last."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from webtest import TestApp

from fastdag.web.app import App
from tests.web.common import graph_of, nothing


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def app(calls: list[str]) -> Iterator[App]:
    made = App(
        on_start=[lambda: calls.append("a"), lambda: calls.append("b")],
        on_stop=[lambda: calls.append("x"), lambda: calls.append("y")],
    )
    made.add_graph("/", graph_of(nothing))
    yield made
    made.stop()


def test_the_first_request_starts_an_app_that_no_server_has_started(app: App, calls: list[str]) -> None:
    client = TestApp(app)

    client.get("/livez")
    assert calls == []
    client.get("/")
    client.get("/")
    assert calls == ["a", "b"]


def test_readiness_starts_the_app_too(app: App, calls: list[str]) -> None:
    TestApp(app).get("/readyz")

    assert calls == ["a", "b"]


def test_a_server_starts_and_stops_it_once_and_in_reverse(app: App, calls: list[str]) -> None:
    app.start()
    app.start()
    TestApp(app).get("/")
    app.stop()
    app.stop()

    assert calls == ["a", "b", "y", "x"]


def test_a_late_request_does_not_start_it_again_but_a_server_can(app: App, calls: list[str]) -> None:
    app.start()
    app.stop()
    TestApp(app).get("/")
    assert calls == ["a", "b", "y", "x"]

    app.start()
    assert calls == ["a", "b", "y", "x", "a", "b"]


def test_stopping_what_never_started_does_nothing(app: App, calls: list[str]) -> None:
    app.stop()

    assert calls == []


def test_requests_that_arrive_together_wait_for_the_hooks() -> None:
    order: list[str] = []

    def slow_start() -> None:
        order.append("starting")
        gevent.sleep(0.01)
        order.append("started")

    def node(context: Any) -> None:
        order.append("node")

    app = App(on_start=slow_start)
    app.add_graph("/", graph_of(node))
    client = TestApp(app)
    gevent.joinall([gevent.spawn(client.get, "/") for _ in range(3)], raise_error=True)

    assert order == ["starting", "started", "node", "node", "node"]


def test_a_start_hook_that_raises_is_tried_again_and_stops_a_server() -> None:
    attempts: list[int] = []

    def hook() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("no database")

    app = App(on_start=hook)
    app.add_graph("/", graph_of(nothing))

    with pytest.raises(OSError, match="no database"):
        app.start()
    assert TestApp(app).get("/", status=500).json["reason"] == "exception"
    assert TestApp(app).get("/").status_int == 200


def test_a_stop_hook_that_raises_does_not_keep_the_others_from_running(caplog: pytest.LogCaptureFixture) -> None:
    stopped: list[str] = []

    def broken() -> None:
        raise RuntimeError("cannot stop")

    app = App(on_stop=[lambda: stopped.append("first declared"), broken])
    app.start()
    app.stop()

    assert stopped == ["first declared"]
    assert "cannot stop" in caplog.text


def test_the_interpreter_s_end_stops_what_is_running(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[Any] = []
    monkeypatch.setattr(atexit, "register", registered.append)

    app.start()

    assert [hook.__name__ for hook in registered] == ["stop"]


def test_a_forked_child_does_not_stop_what_its_parent_started(
    app: App, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app.start()
    here = os.getpid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: here + 1)
        app.stop()

    assert calls == ["a", "b"]


def test_sinks_are_done_before_stop_hooks_close_what_they_need() -> None:
    order: list[str] = []
    graph = graph_of(nothing)

    @graph.node(sink=True)
    def audit(context: Any) -> None:
        gevent.sleep(0.01)
        order.append("audit")

    app = App(on_stop=lambda: order.append("stopped"))
    app.add_graph("/", graph)
    TestApp(app).get("/")
    app.stop()

    assert order == ["audit", "stopped"]


@pytest.mark.parametrize("argument", ["on_start", "on_stop"])
def test_a_hook_that_cannot_be_called_is_refused(argument: str) -> None:
    with pytest.raises(TypeError, match=f"{argument} takes a function without arguments, or several of them; not 'x'"):
        App(**{argument: ["x"]})
