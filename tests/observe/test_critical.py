"""What decided a run's time, and how long it would have taken otherwise."""

import time

import pytest

from fastdag.graph import Graph
from fastdag.observe.critical import critical_path, simulate
from fastdag.observe.record import RunRecord
from tests.observe.common import recorded


def chain(*ids, **options):
    """A graph in which every node has the one before it as its parent."""
    graph = Graph("chain")
    for before, id in zip((None, *ids), ids, strict=False):
        graph.node(id=id, **options.get(id, {}))(node_of(*([before] if before else [])))
    return graph


def node_of(*parents, needed=True):
    scope = {}
    default = "" if needed else "=None"
    exec(f"def f({', '.join(['context', *(parent + default for parent in parents)])}): pass", scope)
    return scope["f"]


def diamond():
    graph = Graph("diamond")
    for id, parents in (("top", ()), ("left", ("top",)), ("right", ("top",)), ("bottom", ("left", "right"))):
        graph.node(id=id)(node_of(*parents))
    return graph


DIAMOND = {"top": (0.0, 1.0), "left": (1.1, 5.1), "right": (1.1, 4.6), "bottom": (5.2, 6.2)}


def path_of(record):
    return [(leg.id, pytest.approx(leg.cost), pytest.approx(leg.waited)) for leg in critical_path(record)]


def test_the_last_parent_to_end_is_on_the_path_and_costs_add_up():
    record = recorded(diamond(), DIAMOND)
    assert path_of(record) == [("top", 1.0, 0.0), ("left", 4.1, 0.1), ("bottom", 1.1, 0.1)]
    assert sum(leg.cost for leg in critical_path(record)) == pytest.approx(6.2)


def test_a_node_that_ended_while_another_went_on_decides_nothing():
    graph = Graph("two")
    graph.node(id="short")(node_of())
    graph.node(id="long")(node_of())
    assert path_of(recorded(graph, {"short": (0.0, 1.0), "long": (0.0, 3.0)})) == [("long", 3.0, 0.0)]


def test_a_node_that_held_the_loop_is_on_the_path_of_what_it_held_up():
    graph = Graph("busy")
    graph.node(id="busy")(node_of())
    graph.node(id="after_it")(node_of())  # no edge between them: it only had to wait for its turn
    record = recorded(graph, {"busy": (0.0, 2.0), "after_it": (2.0, 3.0)})
    assert path_of(record) == [("busy", 2.0, 0.0), ("after_it", 1.0, 0.0)]
    assert simulate(record, {"busy": 0.5}) == pytest.approx(2.0)


def test_a_failed_run_ends_with_the_node_that_failed_it():
    graph = Graph("fails")
    graph.node(id="slow")(node_of())
    graph.node(id="broken")(node_of())
    record = recorded(graph, {"slow": (0.0, 2.0), "broken": (0.0, 2.0)}, slow="cancelled", broken="failed")
    assert path_of(record) == [("broken", 2.0, 0.0)]
    assert record.failed and not record.complete


def test_a_fallback_node_and_the_work_that_it_stands_in_for_are_both_on_the_path():
    graph = Graph("fallback")
    graph.node(id="main", fallback="spare")(node_of())
    graph.node(id="spare")(node_of())
    graph["main"].fallback = graph["spare"]
    record = recorded(graph, {"main": (0.0, 3.0), "spare": (1.0, 3.0)}, main="fallback")
    assert path_of(record) == [("main", 1.0, 0.0), ("spare", 2.0, 0.0)]
    assert simulate(record, {"main": 0.5}) == pytest.approx(2.5)
    assert simulate(record, {"spare": 0.5}) == pytest.approx(2.0)


def test_skipped_nodes_cost_nothing_and_hand_the_path_on():
    graph = chain("first", "skipped", "third", skipped={"optional": True})
    record = recorded(graph, {"first": (0.0, 1.0)}, elapsed=1.0)
    record.ended[1] = record.ended[2] = 101.0
    assert path_of(record) == [("first", 1.0, 0.0)]
    assert simulate(record, {"first": 0.5}) == pytest.approx(0.5)


def test_a_run_in_which_nothing_ended_by_itself_stays_as_it_was():
    graph = chain("only")
    record = recorded(graph, {"only": (0.0, 1.0)}, only="cancelled")
    assert critical_path(record) == []
    assert simulate(record, {"only": 0.5}) == 1.0


@pytest.mark.parametrize(
    ("faster", "takes"),
    [
        ({}, 6.2),
        ({"top": 0.5}, 5.7),
        ({"left": 0.1}, 5.8),
        ({"left": 0.5}, 5.7),  # then the right one decides: half of left's time is not to be had
        ({"right": 0.5}, 6.2),
        ({"left": 0.5, "right": 0.5}, 4.2),
        ({"bottom": 1.0}, 5.2),
        ({"elsewhere": 0.5}, 6.2),
    ],
)
def test_what_a_diamond_would_take(faster, takes):
    assert simulate(recorded(diamond(), DIAMOND), faster) == pytest.approx(takes)


def test_what_follows_the_last_node_is_kept():
    assert simulate(recorded(diamond(), DIAMOND, elapsed=6.5), {"top": 1.0}) == pytest.approx(5.5)


def test_nodes_that_compute_wait_for_one_another_also_where_the_loop_turns_in_between():
    def computes(context):
        until = time.perf_counter() + 0.02
        while time.perf_counter() < until:
            pass

    graph = Graph("page")
    for id in ("q", "r", "s"):
        graph.node(id=id)(lambda context: computes(context))
    records = []
    graph.on("run.ended", lambda name, fields: records.append(RunRecord(fields["run"], fields["elapsed"])))
    graph.run({})
    (record,) = records
    assert len(record.breaths) == 2
    assert [leg.id for leg in critical_path(record)] == ["q", "r", "s"]
    half = (record.ended[0] - record.began[0]) / 2
    assert simulate(record, {"q": 0.5}) == pytest.approx(record.elapsed - half)


def test_a_node_that_ran_out_of_time_takes_as_long_as_it_did():
    record = recorded(chain("a", "b"), {"a": (0.0, 1.0), "b": (1.0, 2.0)})
    assert simulate(record, {"a": 0.5}) == pytest.approx(1.5)
    record.reasons[0] = "timeout"
    assert simulate(record, {"a": 0.5}) == pytest.approx(2.0)
