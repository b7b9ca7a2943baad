"""What a node changes around itself stays its own: contextvars, thread-locals, timers, attributes of greenlets."""

import gc
import threading
import time
from contextvars import ContextVar

import gevent
import greenlet
import pytest

from fastdag import Graph
from fastdag.concurrency import Crew
from fastdag.engine import Run

who = ContextVar("who", default="nobody")


def test_every_node_sees_the_callers_contextvars():
    graph = Graph("page")
    graph.node(id="pure")(lambda: who.get())
    graph.node(id="child", output="child")(lambda pure: who.get())
    graph.node(id="guarded", output="guarded", when=lambda: who.get() == "caller", timeout=1)(lambda: who.get())
    token = who.set("caller")
    try:
        assert graph.run().node_data == {"pure": "caller", "child": "caller", "guarded": "caller"}
    finally:
        who.reset(token)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("options", [{}, {"timeout": 1}, {"when": lambda: True}], ids=str)
def test_what_a_node_sets_is_seen_by_no_other_node_and_not_by_the_caller(blocks, options):
    graph = Graph("page")

    def sets(name):
        def load(**_parents):
            before = who.get()
            who.set(name)
            if blocks:
                gevent.sleep(0.002)
            return [before, who.get()]

        return load

    for name in "abc":
        graph.node(id=name, output=name, **options)(sets(name))
    graph.node(id="last", output="last", after=["a", "b", "c"])(lambda: who.get())
    assert graph.run().merged == {
        "a": ["nobody", "a"],
        "b": ["nobody", "b"],
        "c": ["nobody", "c"],
        "last": "nobody",
    }
    assert who.get() == "nobody"


def test_an_equal_value_is_still_somebody_elses():
    notes = ContextVar("notes")
    mine = []
    graph = Graph("page")
    graph.node(id="a")(lambda: notes.set([]) and None)
    graph.node(id="b", after="a")(lambda: notes.get().append("b"))
    token = notes.set(mine)
    graph.run()
    notes.reset(token)
    assert mine == ["b"]


def test_a_value_that_cannot_be_compared_does_no_harm():
    class Odd:
        __hash__ = None

        def __eq__(self, other):
            raise RuntimeError("never compare me")

    odd = ContextVar("odd")
    graph = Graph("page")
    for name in "abc":
        graph.node(id=name)(lambda: odd.set(Odd()) and None)
    token = odd.set(Odd())
    assert graph.run().node_data == {"a": None, "b": None, "c": None}
    odd.reset(token)


def test_a_fallback_gets_contextvars_of_its_own():
    graph = Graph("page")

    def fails():
        who.set("failing node")
        raise ValueError

    def answers(context, error):
        seen = who.get()
        who.set("fallback")
        return seen

    graph.node(id="a", fallback=answers, output="a")(fails)
    graph.node(id="b", output="b", after="a")(lambda: who.get())
    assert graph.run().merged == {"a": "nobody", "b": "nobody"}


def run_twice(leave, look):
    """What the second of two runs finds of what the first one left."""
    first, second = Graph("first"), Graph("second")
    first.node(id="a")(leave)
    second.node(id="a", output="found")(look)
    for _ in range(3):  # so that the crew has members to use again
        first.run()
    found = [second.run().merged["found"] for _ in range(3)]
    gevent.sleep(0.03)
    found += [second.run().merged["found"] for _ in range(3)]
    return found


def test_a_thread_local_touches_no_other_run():
    local = threading.local()

    def leave():
        local.value = "left behind"

    assert run_twice(leave, lambda: getattr(local, "value", None)) == [None] * 6


def test_a_greenlet_attribute_touches_no_other_run():
    def leave():
        greenlet.getcurrent().left = "behind"

    assert run_twice(leave, lambda: getattr(greenlet.getcurrent(), "left", None)) == [None] * 6


def test_a_greenlet_that_somebody_kept_is_not_used_again():
    kept = []
    assert True not in run_twice(
        lambda: kept.append(greenlet.getcurrent()), lambda: any(found is greenlet.getcurrent() for found in kept)
    )


def test_an_armed_timeout_touches_no_other_run():
    def leave():
        gevent.Timeout(0.01).start()

    def look():
        try:
            gevent.sleep(0.02)
        except gevent.Timeout as error:
            return error
        return None

    assert run_twice(leave, look) == [None] * 6


def test_a_timeout_that_goes_off_between_two_runs_does_no_harm():
    graph = Graph("page")
    graph.node(id="a")(lambda: gevent.Timeout(0.001).start())
    for _ in range(5):
        assert graph.run(timeout=0.5).node_data == {"a": None}
        gevent.sleep(0.005)


def test_a_timeout_that_goes_off_while_a_run_breathes_is_nobodys():
    def computes():
        until = time.monotonic() + 0.004
        while time.monotonic() < until:
            pass
        return 1

    graph = Graph("page")
    graph.node(id="leaves")(lambda: gevent.Timeout(0.002).start())
    for number, after in enumerate(["leaves", "n0", "n1", "n2"]):
        graph.node(id=f"n{number}", after=after, output=f"n{number}")(computes)
    assert graph.run().merged == {"n0": 1, "n1": 1, "n2": 1, "n3": 1}


def test_a_switch_from_outside_into_a_parked_greenlet_does_no_harm():
    graph = Graph("page")

    def leave():
        gevent.get_hub().loop.run_callback(greenlet.getcurrent().switch)

    graph.node(id="a")(leave)
    for _ in range(5):
        assert graph.run(timeout=0.5).node_data == {"a": None}
        gevent.sleep(0)


def test_a_thousand_concurrent_runs_of_one_graph_mix_nothing():
    graph = Graph("page", timeout=10)

    @graph.node
    def first(context):
        gevent.sleep(context % 7 / 1000)
        return context

    @graph.node
    def second(context, first):
        return [context, first]

    @graph.node
    def third(context, first):
        gevent.sleep(context % 5 / 1000)
        return [context, first]

    @graph.node(output="all")
    def last(context, second, third):
        return [context, *second, *third]

    runs = [gevent.spawn(graph.run, number) for number in range(1000)]
    gevent.joinall(runs, raise_error=True)
    assert [run.value.merged["all"] for run in runs] == [[number] * 5 for number in range(1000)]


def test_fallback_values_are_nobody_elses():
    graph = Graph("page")

    @graph.node(fallback={"list": []}, output="a")
    def a():
        raise ValueError

    graph.run().merged["a"]["list"].append(1)
    assert graph.run().merged == {"a": {"list": []}}


@pytest.mark.parametrize("end", ["ok", "failed", "blocked", "late fallback"])
def test_runs_leave_nothing_in_memory(end, monkeypatch):
    hub = gevent.get_hub()
    monkeypatch.setattr(
        hub, "fastdag_crew", Crew(hub), raising=False
    )  # one whose greenlets these runs are the first of

    def load():
        if end != "ok":
            gevent.sleep(0.001 if end == "blocked" else 0)
            raise ValueError

    graph = Graph("page", timeout=0.05)
    graph.node(id="before")(lambda: 1)
    graph.node(id="a", optional=True, fallback=(lambda c, e: 1 / 0) if end == "late fallback" else None)(load)

    for _ in range(20):
        graph.run()
    gevent.sleep(0)  # the hub is still inside the callback that woke us
    gc.collect()
    plan = graph.compile()
    assert [found for found in gc.get_objects() if isinstance(found, Run) and found.plan is plan] == []
