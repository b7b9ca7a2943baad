"""The contract from the origin of the project (DESIGN 2), to the letter: graphs."""

import gevent
import pytest
from gevent.event import Event

from fastdag import Graph, Node


class One(Node):
    def load(self, context):
        return {"one": context}


class Two(Node):
    def load(self, context, one):
        return {"two": one["one"] + 1}


def test_run_returns_a_tuple_of_node_data_and_merged():
    graph = Graph("page")
    graph.add_root(One("a"))
    result = graph.run(1)
    assert isinstance(result, tuple)
    assert len(result) == 2
    node_data, merged = result
    assert node_data == {"a": {"one": 1}}
    assert merged == {"one": 1}


def test_node_data_holds_every_node_and_merged_only_the_output():
    graph = Graph("page")
    one, two = One("a"), Two("b")
    two.add_parent(one, "one")
    graph.add_root(one)
    node_data, merged = graph.run(1)
    assert node_data == {"a": {"one": 1}, "b": {"two": 2}}
    assert merged == {"two": 2}


def test_a_root_is_given_as_a_node():
    graph = Graph("page")
    graph.add_root(One("a"))
    assert graph.run(5).merged == {"one": 5}


def test_a_root_is_given_as_a_class():
    graph = Graph("page")
    graph.add_root(One)
    assert graph.run(5).node_data == {"One": {"one": 5}}


def test_a_root_is_given_by_an_id_that_is_known():
    graph = Graph("page")
    graph.add(One("a"))
    graph.add_root("a")
    assert graph.run(5).node_data == {"a": {"one": 5}}


def test_a_root_is_given_by_an_id_that_will_be_known():
    graph = Graph("page")
    graph.add_root("a")
    graph.add(One("a"))
    assert graph.run(5).node_data == {"a": {"one": 5}}


def test_a_root_is_given_by_the_id_of_a_node_known_only_by_an_edge():
    graph = Graph("page")
    two = Two("b")
    two.add_parent(One("a"), "one")
    graph.add(two)
    graph.add_root("a")
    assert graph.run(5).merged == {"two": 6}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["add_parent", "add_child"])
def test_nodes_join_before_and_after_add_root(when, how):
    graph, one, two = Graph("page"), One("a"), Two("b")

    def join():
        if how == "add_parent":
            two.add_parent(one, "one")
        else:
            one.add_child(two, "one")

    if when == "before":
        join()
    graph.add_root(one)
    if when == "after":
        join()
    assert graph.run(1).node_data == {"a": {"one": 1}, "b": {"two": 2}}


def test_a_node_that_joins_after_a_run_is_in_the_next():
    graph, one = Graph("page"), One("a")
    graph.add_root(one)
    assert list(graph.run(1).node_data) == ["a"]
    one.add_child(Two("b"), "one")
    assert list(graph.run(1).node_data) == ["a", "b"]


@pytest.mark.parametrize("context", [None, 7, "x", {"a": 1}, object(), [1], (1, 2)], ids=repr)
def test_the_context_can_be_anything_and_reaches_every_node(context):
    seen = []

    class Sees(Node):
        def load(self, context, *parents):
            seen.append(context)

    graph, a, b, c = Graph("page"), Sees("a"), Sees("b"), Sees("c")
    b.add_parent(a)
    c.add_parent(b)
    graph.add_root(a)
    graph.run(context)
    assert len(seen) == 3
    assert all(found is context for found in seen)


def test_several_roots_and_several_leaves():
    class Leaf(Node):
        def load(self, context, *parents):
            return {self.id: [parent["one"] for parent in parents]}

    graph = Graph("page")
    roots = [One("r1"), One("r2"), One("r3")]
    left, right = Leaf("left"), Leaf("right")
    for root in roots:
        graph.add_root(root)
        left.add_parent(root)
    right.add_parent(roots[2])
    right.add_parent(roots[0])
    assert graph.run(4).merged == {"left": [4, 4, 4], "right": [4, 4]}


def test_add_makes_nodes_known_so_that_ids_resolve():
    graph, two = Graph("page"), Two("b")
    two.add_parent("a", "one")
    graph.add(One("a"), two)
    graph.add_root("a")
    assert graph.run(1).merged == {"two": 2}


def test_one_graph_serves_two_runs_at_once():
    class Slow(Node):
        def load(self, context):
            gevent.sleep(0.01)
            return {"seen": context}

    graph = Graph("page")
    graph.add_root(Slow("a"))
    runs = [gevent.spawn(graph.run, number) for number in range(5)]
    gevent.joinall(runs, raise_error=True)
    assert [run.value.merged["seen"] for run in runs] == list(range(5))


def test_running_stores_nothing_on_nodes():
    graph, one, two = Graph("page"), One("a"), Two("b")
    two.add_parent(one, "one")
    graph.add_root(one)
    graph.compile()
    before = [dict(vars(node)) for node in (one, two)]
    graph.run(1)
    assert [dict(vars(node)) for node in (one, two)] == before


def test_io_that_can_overlap_does():
    here, all_are_here = [], Event()

    class Waits(Node):
        def load(self, context):
            here.append(self.id)
            if len(here) == 20:
                all_are_here.set()
            return all_are_here.wait(10)

    graph = Graph("page")
    for number in range(20):
        graph.add_root(Waits(f"n{number}"))
    result = graph.run(timeout=20)
    assert set(result.node_data.values()) == {True}
    assert max(span.started for span in result.timeline) <= min(span.ended for span in result.timeline)
