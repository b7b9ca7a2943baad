"""What is kept of the requests of a route."""

from types import SimpleNamespace

import pytest

from fastdag.observe.record import RequestRecord
from fastdag.web.panel import history
from fastdag.web.panel.history import History, Seen, rate


def record(*runs, route="/a"):
    return RequestRecord("GET", "/a", "id", 0.0, 0.0, route, 200, runs=list(runs))


def run(graph, start=0.0):
    return SimpleNamespace(graph=graph, start=start)


def test_the_last_requests_of_every_route_and_graph_are_kept_apart():
    kept = History(2)
    for _ in range(3):
        kept.add(record(run("one")))
    kept.add(record(run("two")))
    kept.add(record(run("one"), route="/b"))
    assert [seen.number for seen in kept.of("/a", "one")] == [2, 3]
    assert [seen.number for seen in kept.of("/a", "two")] == [4]
    assert [seen.number for seen in kept.of("/b", "one")] == [5]
    assert kept.of("/b", "two") == []


def test_a_request_belongs_to_the_graph_that_began_first():
    kept = History(2)
    kept.add(record(run("inner", 2.0), run("outer", 1.0)))
    assert [seen.run.graph for seen in kept.of("/a", "outer")] == ["outer"]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [
        ([], 0.0),
        ([0.1], 1.0),  # a single one is not ten a second
        ([4.0, 3.0, 2.0, 1.0], 1.0),  # all that there were
        ([60.0, 8.0, 4.0], 0.2),  # in ten seconds
        ([30.0, 20.0], 0.0),
    ],
)
def test_requests_per_second_are_those_of_late(monkeypatch, ages, expected):
    monkeypatch.setattr(history, "now", lambda: 1000.0)
    seen = [
        Seen(n, RequestRecord("GET", "", "", 0.0, 1000.0 - age - 0.5, elapsed=0.5), None) for n, age in enumerate(ages)
    ]
    assert rate(seen) == pytest.approx(expected)
