"""Fetch nodes against real sockets, with either transport: calls overlap, and end with their run."""

import time

import pytest
from gevent.event import Event

from fastdag.errors import NodeError, UpstreamRejected
from fastdag.graph import Graph
from fastdag.upstream.client import Upstream
from tests.machine import PAUSE
from tests.upstream.scripted import Scripted

READ, STALL = Scripted.READ, Scripted.STALL
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'


@pytest.fixture(params=[None, "requests"], ids=["native", "requests"])
def upstream(request):
    made = []

    def make(*scripts, **options):
        server = Scripted(*scripts)
        made.append((server, Upstream("up", server.url, transport=request.param, retry=None, **options)))
        return made[-1]

    yield make
    for server, up in made:
        up.close()
        server.stop()


def test_calls_that_need_not_wait_for_each_other_overlap(upstream):
    _, up = upstream([READ, 0.4, OK])
    graph = Graph("page")
    for name in "abcdefgh":
        graph.fetch(name, up, f"/{name}", output=name)
    start = time.monotonic()
    assert graph.run({}).merged == {name: {"a": 1} for name in "abcdefgh"}
    assert time.monotonic() - start < 0.4 + PAUSE  # eight times 0.4 s are more than three


def test_call_of_a_failed_run_is_broken_off(upstream):
    # FAULTS U58
    server, up = upstream([READ, STALL])
    graph = Graph("page")
    graph.fetch("slow", up, "/slow")

    @graph.node
    def broken(context):
        while not server.requests:
            time.sleep(0.005)
        raise ValueError

    with pytest.raises(NodeError, match="broken"):
        graph.run({})
    assert server.settled()


def test_deadline_of_the_run_ends_its_calls(upstream):
    server, up = upstream([READ, STALL], attempt_timeout=None)
    graph = Graph("page", timeout=0.1)
    graph.fetch("slow", up, "/slow")
    start = time.monotonic()
    with pytest.raises(NodeError) as caught:
        graph.run({})
    assert caught.value.reason == "timeout"
    assert time.monotonic() - start < 0.1 + PAUSE
    assert server.settled()


def test_optional_call_over_its_own_time_is_a_timeout(upstream):
    server, up = upstream([READ, STALL])
    graph = Graph("page")
    graph.fetch("slow", up, "/slow", timeout=0.1, optional=True)
    result = graph.run({})
    assert result.outcomes["slow"].reason == "timeout"
    assert server.settled()


def test_abandoned_node_can_call_nobody(upstream):
    server, up = upstream([READ, OK])
    graph = Graph("page", timeout=0.05)
    caught, done, never = [], Event(), Event()

    @graph.node(optional=True)
    def stubborn(context):
        try:
            never.wait()
        except BaseException:
            pass
        try:
            up.get("/x")
        except UpstreamRejected as error:
            caught.append(error.reason)
        finally:
            done.set()

    graph.run({})
    assert done.wait(10)
    assert caught == ["cancelled"]
    assert server.connections == 0


def test_call_of_a_run_inside_a_run_has_the_outer_deadline(upstream):
    server, up = upstream([READ, STALL], attempt_timeout=None, timeout=5)
    inner = Graph("inner", timeout=5)
    inner.fetch("slow", up, "/slow")
    outer = Graph("outer", timeout=0.1)

    @outer.node(optional=True)
    def page(context):
        return inner.run(context)

    start = time.monotonic()
    assert outer.run({}).outcomes["page"].reason == "timeout"
    assert time.monotonic() - start < 0.1 + PAUSE
    assert server.settled()
