"""Nodes that wait without a greenlet, as the engine sees them: what they wait for is brought down by hand."""

import time

import gevent
import pytest
from gevent.hub import get_hub

from fastdag import Graph, Node, NodeError
from fastdag.flying import flies


class Fake:
    """A flight that comes down when the test says so."""

    def __init__(self, data):
        self.data = data
        self.done = self.cancelled = False
        self.on_landing = None

    def come_down(self, *, done=True):
        self.done = done
        self.on_landing(self)

    def cancel(self):
        self.cancelled = True


class Flyer(Node):
    """Its data, or its error, is that of its flight."""

    waits = True
    light = True

    def __init__(self, id, **options):
        super().__init__(id, **options)
        self.flights = []

    @flies
    def load(self, context, **parents):
        raise AssertionError("it flies")

    def take_off(self, context, on_landing, **parents):
        flight = Fake((self.id, parents))
        flight.on_landing = on_landing
        self.flights.append(flight)
        return flight, None

    def land(self, context, flight):
        if isinstance(flight.data, BaseException):
            raise flight.data
        return flight.data


def flying(*nodes, **options):
    """A running graph of these, all of which have taken off."""
    graph = Graph("page", **options)
    graph.add(*nodes)
    for node in nodes:
        graph.add_root(node)
    running = gevent.spawn(graph.run, {})
    while not all(node.flights for node in nodes):
        gevent.sleep(0)
    return running


def in_one_turn(*steps):
    """Call these in the loop, one after another in the same turn, as answers that arrive together do."""

    def turn():
        for step in steps:
            step()

    get_hub().loop.run_callback(turn)


def test_a_run_ends_with_its_last_landing():
    a, b = Flyer("a", output="a"), Flyer("b", output="b")
    running = flying(a, b)
    in_one_turn(b.flights[0].come_down, a.flights[0].come_down)
    assert running.get(timeout=5).merged == {"a": ("a", {}), "b": ("b", {})}


def test_children_start_when_their_parent_lands():
    a, b = Flyer("a"), Flyer("b", output="b")
    b.add_parent(a, "a")
    graph = Graph("page")
    graph.add_root(a)
    running = gevent.spawn(graph.run, {})
    while not a.flights:
        gevent.sleep(0)
    assert not b.flights
    in_one_turn(a.flights[0].come_down)
    while not b.flights:
        gevent.sleep(0)
    in_one_turn(b.flights[0].come_down)
    assert running.get(timeout=5).merged == {"b": ("b", {"a": ("a", {})})}


def test_what_cannot_land_at_once_lands_in_a_greenlet():
    a = Flyer("a", output="a")
    running = flying(a)
    seen = []
    land = a.land
    a.land = lambda context, flight: seen.append(gevent.getcurrent() is get_hub()) or land(context, flight)
    in_one_turn(lambda: a.flights[0].come_down(done=False))
    assert running.get(timeout=5).merged == {"a": ("a", {})}
    assert seen == [False]


def test_a_landing_that_fails_fails_the_node():
    a = Flyer("a", fallback="instead", output="a")
    running = flying(a)
    a.flights[0].data = ValueError("no")
    in_one_turn(a.flights[0].come_down)
    assert running.get(timeout=5).merged == {"a": "instead"}


@pytest.mark.parametrize("order", [("failing", "waiting"), ("waiting", "failing")])
def test_a_required_failure_drops_what_has_come_down_and_waits_for_a_greenlet(order):
    failing, waiting = Flyer("failing"), Flyer("waiting")
    running = flying(failing, waiting)
    failing.flights[0].data = ValueError("no")
    steps = {
        "failing": failing.flights[0].come_down,
        "waiting": lambda: waiting.flights[0].come_down(done=False),
    }
    # A greenlet takes it at once; with the run at its end none does.
    in_one_turn(*(steps[name] for name in order))
    with pytest.raises(NodeError) as caught:
        running.get(timeout=5)
    assert caught.value.node_id == "failing"
    states = {id: outcome.state for id, outcome in caught.value.result.outcomes.items()}
    assert states["waiting"] in ("ok", "cancelled")
    assert waiting.flights[0].cancelled is (states["waiting"] == "cancelled")


def test_a_deadline_drops_what_flies():
    a, b = Flyer("a", optional=True, output="a"), Flyer("b", output="b", optional=True)
    running = flying(a, b, timeout=0.05)
    result = running.get(timeout=5)
    assert {id: outcome.reason for id, outcome in result.outcomes.items()} == {"a": "timeout", "b": "timeout"}
    assert a.flights[0].cancelled
    assert b.flights[0].cancelled


def test_a_deadline_that_meets_what_waits_for_a_greenlet():
    a = Flyer("a", output="a")
    running = flying(a, timeout=0.05)

    def late():
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass
        a.flights[0].come_down(done=False)

    in_one_turn(late)
    with pytest.raises(NodeError) as caught:
        running.get(timeout=5)
    assert caught.value.reason == "timeout"
    assert a.flights[0].cancelled


def test_a_killed_caller_drops_what_flies():
    a = Flyer("a")
    running = flying(a)
    running.kill()
    assert a.flights[0].cancelled
