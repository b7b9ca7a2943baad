"""What a run gives back."""

import pickle

import gevent
import pytest

from fastdag import Graph, Outcome, Result
from tests.machine import PAUSE


@pytest.fixture
def result():
    graph = Graph("page")
    graph.node(id="a")(lambda: gevent.sleep(0.005) or 1)
    graph.node(id="skipped", when=lambda: False)(lambda: 1)
    graph.node(id="failed", optional=True)(lambda: 1 / 0)
    graph.node(id="none")(lambda a: None)
    return graph.run()


def test_a_result_is_a_tuple_of_exactly_two(result):
    node_data, merged = result
    assert isinstance(result, tuple)
    assert isinstance(result, Result)
    assert len(result) == 2
    assert result == (node_data, merged)
    assert result[0] is result.node_data is node_data
    assert result[1] is result.merged is merged


def test_node_data_is_in_the_order_of_declaration_with_none_where_a_node_gave_it(result):
    assert list(result.node_data.items()) == [("a", 1), ("none", None)]


def test_outcomes_are_a_mapping_in_the_order_of_declaration(result):
    assert list(result.outcomes) == ["a", "skipped", "failed", "none"]
    assert len(result.outcomes) == 4
    assert result.outcomes["a"].ok
    assert "zzz" not in result.outcomes
    with pytest.raises(KeyError):
        result.outcomes["zzz"]
    assert repr(result.outcomes).startswith("{'a': Outcome(state='ok', value=1")


def test_an_outcome_says_when_its_node_ran(result):
    outcome = result.outcomes["a"]
    assert isinstance(outcome, Outcome)
    assert 0 <= outcome.started < PAUSE
    assert 0.004 < outcome.elapsed < PAUSE
    assert result.outcomes["skipped"].started is not None  # its predicate ran
    assert isinstance(result.outcomes["failed"].error, ZeroDivisionError)


def test_the_timeline_lists_the_nodes_that_ran_by_start(result):
    timeline = result.timeline
    assert {span.id for span in timeline} == {"a", "skipped", "failed", "none"}
    assert [span.started for span in timeline] == sorted(span.started for span in timeline)
    assert all(span.ended >= span.started for span in timeline)
    last = timeline[-1]
    assert (last.id, last.state) == ("none", "ok")
    assert last.started >= 0.004


def test_nodes_that_never_ran_are_not_on_the_timeline():
    graph = Graph("page")
    graph.node(id="failed", optional=True)(lambda: 1 / 0)
    graph.node(id="below")(lambda failed: 1)
    result = graph.run()
    assert [span.id for span in result.timeline] == ["failed"]
    assert result.outcomes["below"].started is None
    assert result.outcomes["below"].elapsed == 0.0


def test_a_result_is_pickled_as_a_plain_tuple(result):
    assert pickle.loads(pickle.dumps(result)) == ({"a": 1, "none": None}, {})
