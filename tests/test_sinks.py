"""Sinks run after the answer, and neither delay nor fail it."""

import gevent
import pytest
from gevent.event import Event

from fastdag import Graph, GraphError, NodeError, Outcome
from fastdag.context import SCOPE


def page(**options):
    graph = Graph("page")
    graph.node(id="product")(lambda context: {"id": context})
    heard = []

    def declare(function):
        graph.node(id="audit", sink=True, **options)(function)
        return graph, heard

    return declare


def test_a_sink_runs_after_the_answer_with_its_parents_data():
    heard = []

    @page()
    def made(context, product):
        heard.append((context, product))

    graph, _ = made
    result = graph.run(7)
    assert heard == [], "the answer is decided first"
    assert result.merged == {"id": 7}
    assert "audit" not in result.outcomes
    assert graph.drain()
    assert heard == [(7, {"id": 7})]


def test_a_sink_takes_no_output_away():
    graph, _ = page()(lambda context, product: None)
    assert graph.run(1).merged == {"id": 1}
    graph.drain()


def test_a_failing_sink_fails_nothing_and_is_told_of(caplog):
    def audit(context, product):
        raise ValueError("no disk")

    graph, _ = page()(audit)
    told = []
    graph.on("sink.failed", lambda name, fields: told.append(fields["node"]))
    assert graph.run(1).complete
    graph.drain()
    assert told == ["audit"]
    assert "page.audit failed after the answer" in caplog.text


def test_a_sink_hears_of_a_failed_run_through_an_outcome():
    heard = []
    graph = Graph("page")
    graph.node(id="product")(lambda context: 1 / 0)

    @graph.node(sink=True)
    def audit(context, product: Outcome):
        heard.append(product.reason)

    @graph.node(sink=True)
    def warm_up(context, product):
        heard.append("warm_up")

    with pytest.raises(NodeError):
        graph.run()
    graph.drain()
    assert heard == ["exception"], "what needs data that is not there does not run"


def test_when_decides_about_a_sink_too():
    heard = []
    graph, _ = page(when=lambda context: context > 1)(lambda context, product: heard.append(context))
    graph.run(1)
    graph.run(2)
    graph.drain()
    assert heard == [2]


def test_a_sink_has_a_time_limit_of_its_own():
    told = []
    graph, _ = page(timeout=0.02)(lambda context, product: gevent.sleep(60))
    graph.on("sink.failed", lambda name, fields: told.append(type(fields["error"]).__name__))
    graph.run(1)
    assert graph.drain(5)
    assert told == ["Timeout"]


def test_a_sink_has_a_deadline_of_its_own_in_its_scope():
    seen = []
    graph, _ = page(timeout=30)(lambda context, product: seen.append(SCOPE.get().deadline))
    graph.run(1, timeout=0.5)
    graph.drain()
    assert seen[0] is not None
    assert graph.run(1).merged == {"id": 1}
    graph.drain()


def test_drain_kills_what_takes_longer():
    ended = []

    def audit(context, product):
        try:
            gevent.sleep(60)
        finally:
            ended.append(context)

    graph, _ = page(timeout=50)(audit)
    graph.run(1)
    assert not graph.drain(0.02)
    gevent.sleep(0)
    assert ended == [1]


def test_sinks_beyond_the_backlog_are_dropped_and_told_of():
    told, go_on = [], Event()
    graph, _ = page()(lambda context, product: go_on.wait())
    graph._sinks._backlog = 2
    graph._sinks._concurrency = 1
    graph.on("sink.dropped", lambda name, fields: told.append(fields["node"]))
    for number in range(6):
        graph.run(number)
    go_on.set()
    graph.drain()
    assert told == ["audit"] * 3, "work that nobody waits for does not pile up"


def test_nothing_waits_for_a_sink():
    graph, _ = page()(lambda context, product: None)
    graph.node(id="late")(lambda context, audit: audit)
    graph.node(id="later", after="audit")(lambda context: 1)
    with pytest.raises(GraphError) as caught:
        graph.compile()
    assert [problem.split(",")[0] for problem in caught.value.problems] == [
        "page.late cannot wait for 'audit'",
        "page.later cannot wait for 'audit'",
    ]


def test_a_graph_of_sinks_only_answers_at_once():
    heard = []
    graph = Graph("page", timeout=None)
    graph.node(id="audit", sink=True)(lambda context: heard.append(context))
    with gevent.Timeout(5):
        assert tuple(graph.run("who")) == ({}, {})
        assert graph.drain()
    assert heard == ["who"]


def test_one_sink_takes_one_greenlet_and_none_is_left_in_the_queue():
    ran = []
    graph, _ = page()(lambda context, product: ran.append(context))
    for number in range(200):
        graph.run(number)
        assert len(graph._sinks._active) <= number + 1
    assert graph.drain()
    assert ran == list(range(200))
    assert not graph._sinks._queue
    assert not graph._sinks._active
