"""What is counted together, some at a time, is counted as it would be one by one."""

import sys

import pytest
from gevent.threadpool import ThreadPool

from fastdag.graph import Graph
from fastdag.observe.counts import Counts
from fastdag.observe.install import Observers
from fastdag.observe.metrics import Metrics
from fastdag.observe.timeline import Timeline
from tests.observe.test_metrics import scrape

RUNS = "fastdag_run_duration_seconds"


def twin(node):
    """A graph like another of that name, with a node that fails when it is told to."""
    graph = Graph("twin")
    graph.node(id=node)(lambda context: 1)
    graph.node(id="may_fail", optional=True)(lambda context: 1 / context["good"])
    return graph


def test_runs_of_graphs_with_one_name_are_all_counted_whether_they_went_well_or_not():
    metrics, timeline, one, other = Metrics(), Timeline(keep=1000), twin("a"), twin("b")
    for graph in (one, other):
        Observers([metrics, timeline]).watch(graph)
    for number in range(100):
        one.run({"good": number % 5})
        other.run({"good": 1})
    found = scrape(metrics)
    (route,) = timeline.routes()
    for outcome, complete, count in (("complete", True, 180), ("partial", False, 20)):
        elapsed = [run.elapsed for run in timeline.runs(route) if run.complete is complete]
        assert found[f"{RUNS}_count", "graph=twin", f"outcome={outcome}"] == len(elapsed) == count
        assert found[f"{RUNS}_sum", "graph=twin", f"outcome={outcome}"] == pytest.approx(sum(elapsed))
    for node, count in (("a", 100), ("b", 100), ("may_fail", 180)):
        assert found["fastdag_node_outcomes_total", "graph=twin", f"node={node}", "state=ok"] == count


def test_native_threads_lose_no_run_and_count_none_twice():
    runs, counts, graph = [], Counts(), Graph("page")
    graph.node(id="a")(lambda: 1)
    graph.on("run.ended", lambda name, fields: runs.append(fields["run"]))
    graph.run()
    ended = counts.events()["run.ended"].function

    def work():
        for _ in range(5000):
            ended("page", runs[0], 0.25)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        pool = ThreadPool(4)
        for one in [pool.spawn(work) for _ in range(4)]:
            one.get(timeout=60)
    finally:
        sys.setswitchinterval(interval)
    found = {key: sum(numbers) for key, numbers in counts.items()}
    assert found["fastdag_run_duration_seconds", "page", "complete"] == 20_000 + 20_000 * 0.25
    assert found["fastdag_node_outcomes_total", "page", "a", "ok", ""] == 20_000
