"""A run: every node starts the moment its own parents are done, and one that fails for good ends the rest."""

import random
import time

import gevent
import pytest
from gevent.event import Event

from fastdag import Graph, Node, NodeError
from tests.machine import PAUSE


def sleeper(graph, id, seconds, parents="", **options):
    """A node that blocks for a while and gives its own id."""

    class Sleeps(Node):
        def load(self, context, *args):
            gevent.sleep(seconds)
            return self.id

    node = Sleeps(id, **options)
    for parent in parents.split():
        node.add_parent(parent)
    graph.add(node)
    if not parents:
        graph.add_root(id)
    return node


def spans(result):
    return {span.id: span for span in result.timeline}


def test_a_node_starts_the_moment_its_own_parents_are_done():
    graph, c_is_done = Graph("page"), Event()
    sleeper(graph, "a", 0.05)
    graph.node(id="b")(lambda: c_is_done.wait(10))
    graph.node(id="c")(lambda a: gevent.sleep(0.01) or c_is_done.set())
    result = graph.run(timeout=20)
    assert result.node_data["b"] is True
    assert spans(result)["a"].ended <= spans(result)["c"].started < spans(result)["b"].ended


def all_at_once(number):
    """What each of so many nodes may do that overlap: none of them ends before the last one has begun."""
    here, all_are_here = [], Event()

    def load(*_args, **_parents):
        here.append(1)
        if len(here) == number:
            all_are_here.set()
        return all_are_here.wait(10)

    return load


def test_blocking_nodes_overlap():
    graph, load = Graph("page"), all_at_once(200)
    for number in range(200):
        graph.node(id=f"n{number}")(lambda: load())
    assert set(graph.run(timeout=20).node_data.values()) == {True}


def test_blocking_nodes_overlap_below_a_node_that_does_not_block():
    graph, load = Graph("page"), all_at_once(20)
    graph.node(id="root")(lambda: True)
    for number in range(20):
        graph.node(id=f"n{number}")(lambda root: load())
    assert set(graph.run(timeout=20).node_data.values()) == {True}


def test_nodes_that_mostly_wait_start_before_the_others():
    order = []

    class Fetches(Node):
        waits = True

        def load(self, context):
            order.append(self.id)

    class Computes(Node):
        def load(self, context):
            order.append(self.id)

    graph = Graph("page")
    for node in (Computes("a"), Fetches("b"), Computes("c"), Fetches("d")):
        graph.add_root(node)
    graph.run()
    assert order == ["b", "d", "a", "c"]


@pytest.mark.parametrize("count", [2, 3, 8, 16])
def test_parents_that_end_in_random_order_come_in_their_own(count):
    random.seed(count)
    for _ in range(5):
        graph = Graph("page")
        names = [f"p{number}" for number in range(count)]
        for name in names:
            sleeper(graph, name, random.random() / 100)

        class Child(Node):
            def load(self, context, *args):
                return {"got": list(args)}

        child = Child("child")
        for name in names:
            child.add_parent(name)
        graph.add(child)
        assert graph.run().merged == {"got": names}


def test_a_diamond_runs_every_node_once():
    ran = []
    graph = Graph("page")

    @graph.node
    def top():
        ran.append("top")
        return 1

    @graph.node
    def left(top):
        ran.append("left")
        gevent.sleep(0.01)
        return top + 1

    @graph.node
    def right(top):
        ran.append("right")
        return top + 2

    @graph.node
    def bottom(left, right):
        ran.append("bottom")
        return left * right

    assert graph.run().merged == {"bottom": 6}
    assert ran == ["top", "left", "right", "bottom"]


def chain(length):
    class Counts(Node):
        def load(self, context, before=0):
            return before + 1

    graph, last = Graph("page", timeout=None), Counts("n0")
    graph.add_root(last)
    for number in range(1, length):
        node = Counts(f"n{number}")
        node.add_parent(last)
        last = node
    return graph


@pytest.mark.parametrize("length", [1, 2, 100, 20_000])
def test_a_chain_of_any_length_runs(length):
    assert chain(length).run().merged == {f"n{length - 1}": length}


def test_a_chain_in_which_every_node_blocks():
    graph = Graph("page")
    sleeper(graph, "n0", 0)
    for number in range(1, 500):
        sleeper(graph, f"n{number}", 0, f"n{number - 1}")
    assert graph.run().merged == {"n499": "n499"}


def test_wait_only_edges_order_without_passing_data():
    order = []
    graph = Graph("page")

    @graph.node
    def slow():
        gevent.sleep(0.02)
        order.append("slow")

    @graph.node(after="slow")
    def later():
        order.append("later")

    @graph.node(after=["slow", "later", "slow"])
    def last():
        order.append("last")

    graph.run()
    assert order == ["slow", "later", "last"]


@pytest.mark.parametrize("end", ["ok", "failed", "skipped", "fallback"])
def test_a_wait_only_edge_waits_for_any_end(end):
    graph = Graph("page")

    def before():
        gevent.sleep(0.005)
        if end in ("failed", "fallback"):
            raise ValueError
        return 1

    options = {"fallback": {"fallback": 0}} if end == "fallback" else {"optional": True}
    graph.node(**options, when=(lambda: False) if end == "skipped" else None)(before)
    graph.node(id="after_it", after=before.__name__)(lambda: 2)
    result = graph.run()
    assert result.outcomes["before"].state == end
    assert result.node_data["after_it"] == 2


def test_the_output_is_the_same_to_the_byte_whatever_the_delays():
    graph = Graph("page")
    rng = random.Random(1)

    def gives(number):
        def load():
            gevent.sleep(rng.random() / 1000)
            return {"shared": {"last": number, f"n{number}": number}, f"own{number}": number}

        return load

    for number in range(6):
        graph.node(id=f"n{number}", output=True)(gives(number))
    outputs = {repr(graph.run().merged) for _ in range(200)}
    assert len(outputs) == 1
    assert list(graph.run().merged["shared"]) == ["last", "n0", "n1", "n2", "n3", "n4", "n5"]


def test_a_failed_required_node_cancels_its_siblings_at_once():
    cancelled = []
    graph = Graph("page")

    def hangs(name):
        def load():
            try:
                gevent.sleep(10)
            finally:
                cancelled.append(name)

        return load

    graph.node(id="a")(hangs("a"))
    graph.node(id="b")(hangs("b"))

    @graph.node
    def breaks():
        gevent.sleep(0.01)
        raise ValueError("no")

    begun = time.monotonic()
    with pytest.raises(NodeError) as failed:
        graph.run()
    assert cancelled == ["a", "b"]
    assert time.monotonic() - begun < 0.01 + PAUSE
    outcomes = failed.value.result.outcomes
    assert {id: outcome.state for id, outcome in outcomes.items()} == {
        "a": "cancelled",
        "b": "cancelled",
        "breaks": "failed",
    }
    assert outcomes["a"].reason == "cancelled"


def test_nothing_starts_after_a_required_failure():
    ran = []
    graph = Graph("page")

    @graph.node
    def breaks():
        raise ValueError("no")

    @graph.node
    def other():
        ran.append("other")

    @graph.node
    def below(other):
        ran.append("below")

    with pytest.raises(NodeError):
        graph.run()
    assert ran == []


def test_the_first_declared_of_several_failures_decides():
    # All of them wait to be woken in one turn of the loop, the last declared first.
    graph, waiting = Graph("page"), {}

    def wake():
        for name in ("a", "b", "c"):
            waiting[name].set()

    def waits(name):
        def load():
            waiting[name] = Event()
            if len(waiting) == 3:
                gevent.spawn(wake)
            waiting[name].wait()
            raise ValueError(name)

        return load

    for name in ("c", "b", "a"):
        graph.node(id=name)(waits(name))

    with pytest.raises(NodeError) as failed:
        graph.run()
    assert failed.value.node_id == "c"
    assert {outcome.state for outcome in failed.value.result.outcomes.values()} == {"failed"}


def test_a_node_error_says_which_node_why_and_what_there_was():
    graph = Graph("page")
    graph.node(id="a")(lambda: 1)

    @graph.node
    def b(a):
        raise ValueError("no such thing")

    with pytest.raises(NodeError, match=r"^b failed \(exception\): no such thing$") as failed:
        graph.run()
    error = failed.value
    assert (error.node_id, error.reason) == ("b", "exception")
    assert isinstance(error.__cause__, ValueError)
    assert error.result.node_data == {"a": 1}
    assert error.result.merged is None
    assert error.result.complete is False


def test_long_pure_work_lets_the_loop_turn():
    beats = []

    def heart():
        while True:
            gevent.sleep(0.01)
            beats.append(time.process_time())  # a pause of the machine is nobody's work

    def computes():
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            pass

    graph = Graph("page")
    for number in range(100):
        graph.node(id=f"n{number}", after=f"n{number - 1}" if number else ())(computes)
    beating = gevent.spawn(heart)
    gevent.sleep(0)  # it has begun
    begun = time.process_time()
    graph.run()
    ended = time.process_time()
    beating.kill()
    inside = [beat for beat in beats if begun < beat < ended]
    assert len(inside) >= 5
    assert max(later - earlier for earlier, later in zip([begun, *inside], [*inside, ended], strict=True)) < 0.1


def test_a_run_in_the_hub_is_refused():
    graph = Graph("page")
    graph.node(id="a")(lambda: 1)
    seen = []

    def in_the_hub():
        try:
            graph.run()
        except RuntimeError as error:
            seen.append(str(error))

    gevent.get_hub().loop.run_callback(in_the_hub)
    gevent.sleep(0)
    assert seen == ["a graph cannot run in the event loop itself; run it in a greenlet"]


def test_what_mostly_waits_overtakes_what_was_ready_before():
    order = []

    class Fetches(Node):
        waits = True

        def load(self, context, parent):
            order.append(self.id)

    graph, fetches = Graph("page"), Fetches("fetches")
    graph.node(id="first")(lambda: order.append("first"))
    graph.node(id="second")(lambda: order.append("second"))
    fetches.add_parent("first")
    graph.add(fetches)
    graph.run()
    assert order == ["first", "fetches", "second"]
