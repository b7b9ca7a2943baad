"""The runs of a route, together: where the time goes, and what would save some."""

import gevent
import pytest

from fastdag.graph import Graph
from fastdag.observe.install import Observers
from fastdag.observe.timeline import Route, Timeline, percentile, what_if
from tests.observe.common import client, recorded, shop, upstream


def watched(graph, timeline):
    Observers([timeline]).watch(graph)
    return graph


def sleeper(graph, id, seconds, *parents):
    """A node that takes so long, which `seconds` can change."""
    exec(
        f"def {id}(context, {', '.join(parents)}): sleep(seconds[{id!r}])",
        scope := {"sleep": gevent.sleep, "seconds": seconds},
    )
    graph.node(scope[id])


def diamond(seconds):
    graph = Graph("diamond")
    sleeper(graph, "top", seconds)
    sleeper(graph, "left", seconds, "top")
    sleeper(graph, "right", seconds, "top")
    sleeper(graph, "bottom", seconds, "left", "right")
    return graph


@pytest.mark.parametrize("node", ["top", "left", "right", "bottom"])
def test_what_if_agrees_with_a_real_run_with_that_node_made_faster(node):
    seconds = {"top": 0.06, "left": 0.1, "right": 0.09, "bottom": 0.06}
    before, after = Timeline(), Timeline()
    graph = diamond(seconds)
    Observers([before]).watch(graph)
    for _ in range(9):
        graph.run()
    faster = diamond({**seconds, node: seconds[node] / 2})
    Observers([after]).watch(faster)
    for _ in range(9):
        faster.run()
    (route,) = before.routes()
    foreseen = before.what_if(route, {node: 50})
    real = after.report(route)
    # Half of an end node is 13 % of the whole. Medians: a machine that pauses hits a run or two of the nine.
    assert foreseen.p50_then == pytest.approx(real.p50, rel=0.05)


def test_runs_are_kept_by_route_and_the_oldest_go():
    timeline = Timeline(keep=3)
    app = client(shop(upstream()), timeline)
    for id in range(5):
        app.get(f"/products/{id}")
    (route,) = timeline.routes()
    assert route == Route("GET", "/products/{id}", "shop")
    assert len(timeline.runs(route)) == 3


def test_runs_outside_of_a_request_have_no_route():
    timeline, graph = Timeline(), Graph("plain")
    graph.node(id="one")(lambda context: 1)
    watched(graph, timeline).run()
    assert timeline.routes() == [Route("", "", "plain")]


def test_a_report_says_how_often_a_node_decides_and_what_it_costs():
    graph = diamond({})
    times = {"top": (0.0, 1.0), "left": (1.0, 3.0), "right": (1.0, 2.0), "bottom": (3.0, 4.0)}
    other = times | {"right": (1.0, 5.0), "bottom": (5.0, 6.0)}
    timeline = Timeline()
    route = Route("", "", "diamond")
    timeline._runs[route] = [recorded(graph, times), recorded(graph, other)]
    report = timeline.report(route)
    assert (report.runs, report.complete, report.failed, report.p50, report.p95) == (2, 2, 0, 4.0, 6.0)
    by_id = {node.id: node for node in report.nodes}
    assert (by_id["top"].critical, by_id["left"].critical, by_id["right"].critical) == (1.0, 0.5, 0.5)
    assert (by_id["left"].cost, by_id["right"].cost) == (2.0, 4.0)
    assert sum(node.share for node in report.nodes) == pytest.approx(1.0)
    assert by_id["left"].states == {"ok": 2}


def test_failed_runs_are_reported_and_left_out_of_what_ifs():
    graph = Graph("one")
    graph.node(id="only")(lambda context: 1)
    runs = [recorded(graph, {"only": (0.0, 1.0)}), recorded(graph, {"only": (0.0, 9.0)}, only="failed")]
    found = what_if(runs, {"only": 50})
    assert (found.runs, found.p95, found.p95_then) == (1, 1.0, 0.5)


@pytest.mark.parametrize("percent", [-1, 101])
def test_a_node_can_only_be_faster_by_what_it_takes(percent):
    with pytest.raises(ValueError, match="by 0 to 100 per cent"):
        what_if([], {"only": percent})


def test_a_node_that_no_run_has_is_refused():
    timeline, graph = Timeline(), Graph("plain")
    graph.node(id="reviews")(lambda context: 1)
    watched(graph, timeline).run()
    (route,) = timeline.routes()
    with pytest.raises(ValueError, match="no run has a node 'review'; did you mean 'reviews'"):
        timeline.what_if(route, {"review": 50})
    assert timeline.what_if(Route("", "", "none"), {"review": 50}).runs == 0


def test_a_node_that_was_skipped_took_no_time_and_decided_nothing():
    timeline, graph = Timeline(), Graph("choice")

    def never(context):
        gevent.sleep(0.001)
        return False

    graph.node(id="skipped", when=never)(lambda context: 1)
    watched(graph, timeline).run()
    (skipped,) = timeline.report(timeline.routes()[0]).nodes
    assert (skipped.critical, skipped.cost, skipped.share, skipped.p50, skipped.p95) == (0, 0, 0, 0, 0)
    assert (skipped.runs, skipped.states) == (1, {"skipped": 1})


def test_nothing_recorded_reports_nothing():
    found = Timeline().report(Route("", "", "none"))
    assert (found.runs, found.p95, found.nodes) == (0, 0.0, ())


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 2), (75, 3), (95, 4), (100, 4)])
def test_percentiles_are_values_that_occurred(percent, value):
    assert percentile([4, 1, 3, 2], percent) == value
