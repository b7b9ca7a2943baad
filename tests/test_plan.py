"""A plan: frozen, indexed by integers, shared by all runs."""

import copy
import dataclasses

import pytest

from fastdag import Graph, Node, Outcome
from fastdag.ledger import NOTHING
from fastdag.plan import DIRECT, ONE_PARENT, ROUNDABOUT, TWO_PARENTS


def test_the_most_frequent_nodes_are_called_without_a_detour():
    graph = Graph("page")
    graph.node(id="a")(lambda context: 1)
    graph.node(id="b")(lambda context, a: 1)
    graph.node(id="c")(lambda context, a, b: 1)
    for id, function in {
        "no_context": lambda a: 1,
        "three": lambda context, a, b, c: 1,
        "named": lambda context, *, a: 1,
        "default": lambda context, a=1: 1,
    }.items():
        graph.node(id=id)(function)

    @graph.node
    def outcome(context, a: Outcome):
        return 1

    graph.node(id="timed", timeout=1)(lambda context: 1)
    graph.node(id="asked", when=lambda: True)(lambda context: 1)
    plan = graph.compile()
    shapes = dict(zip(plan.ids, (call[0] for call in plan.calls), strict=True))
    assert {id: shapes.pop(id) for id in "abc"} == {"a": DIRECT, "b": ONE_PARENT, "c": TWO_PARENTS}
    assert set(shapes.values()) == {ROUNDABOUT}
    assert plan.calls[2][2:] == (0, 1)


def test_a_plan_knows_who_waits_for_whom_and_who_needs_whom():
    graph = Graph("page")
    graph.node(id="a")(lambda: 1)
    graph.node(id="needs")(lambda a: 1)
    graph.node(id="can do without")(lambda a=1: 1)
    graph.node(id="waits", after="a")(lambda: 1)
    plan = graph.compile()
    assert plan.children == ((1, 2, 3), (), (), ())
    assert plan.needers == ((1,), (), (), ())
    assert plan.blank.waiting == [0, 1, 1, 1]
    assert list(plan.blank.ready) == [0]
    assert len(plan) == 4


def test_a_plan_cannot_be_changed():
    graph = Graph("page")
    graph.node(id="a")(lambda: 1)
    plan = graph.compile()
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.graph_id = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.steps[0].timeout = 3


def test_a_fallback_node_waits_behind_a_gate():
    graph = Graph("page")
    graph.node(id="a", fallback=Node("spare"))(lambda: 1)
    plan = graph.compile()
    assert list(plan.blank.ready) == [0]
    assert plan.blank.waiting == [0, 1]
    assert plan.served_by == {1: (0,)}


def test_the_repr_counts():
    graph = Graph("page")
    graph.node(id="a")(lambda: 1)
    graph.node(id="b")(lambda a: 1)
    assert repr(graph.compile()) == "<Plan 'page' 2 nodes, 1 outputs>"


def test_ten_thousand_nodes_compile():
    graph = Graph("page")
    for number in range(10_000):
        graph.node(id=f"n{number}", after=f"n{number - 1}" if number else ())(lambda context: 1)
    plan = graph.compile()
    assert len(plan) == 10_000
    assert list(plan.blank.ready) == [0]


def test_a_run_changes_nothing_that_runs_share():
    graph = Graph("page")
    graph.node(id="a")(lambda: {"a": 1})
    graph.node(id="b", optional=True)(lambda a: 1 / 0)
    graph.node(id="c", fallback="-")(lambda a: 1 / 0)
    graph.node(id="d", fallback=Node("spare"))(lambda: 1 / 0)
    graph.node(id="e", when=lambda context: False)(lambda: 1)
    blank = graph.compile().blank
    before = copy.deepcopy(blank)
    for _ in range(2):
        assert graph.run().node_data == {"a": {"a": 1}, "c": "-", "d": None, "spare": None}
    assert graph.compile().blank is blank
    assert blank == before
    assert not NOTHING
