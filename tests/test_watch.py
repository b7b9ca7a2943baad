"""Whoever watches a run hears of every output the moment its node is done."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from fastdag.errors import NodeError
from fastdag.graph import Graph


def page() -> Graph:
    graph = Graph("page")

    @graph.node(output="slow")
    def slow(context: Any) -> dict[str, int]:
        gevent.sleep(0.02)
        return {"a": 1, "b": 2}

    @graph.node
    def internal(context: Any) -> int:
        return 1

    @graph.node(output=True)
    def fast(context: Any, internal: int) -> dict[str, int]:
        return {"fast": internal}

    @graph.node(output="backup", fallback=lambda context, error: {"a": "from the fallback"})
    def backup(context: Any) -> None:
        raise ValueError

    @graph.node(output="broken", optional=True)
    def broken(context: Any) -> None:
        raise ValueError

    return graph


def watch(graph: Graph, **options: Any) -> list[tuple[str, str | None, Any]]:
    heard: list[tuple[str, str | None, Any]] = []
    graph.run(None, on_output=lambda id, key, data: heard.append((id, key, data)), **options)
    return heard


def test_outputs_are_heard_of_as_they_come_whoever_gave_them() -> None:
    heard = watch(page())

    assert sorted(heard[:2], key=str) == [
        ("backup", "backup", {"a": "from the fallback"}),
        ("fast", None, {"fast": 1}),
    ]
    assert heard[2:] == [("slow", "slow", {"a": 1, "b": 2})]


def test_what_was_not_asked_for_is_not_heard_of() -> None:
    assert watch(page(), outputs=["slow.b"]) == [("slow", "slow", {"b": 2})]


def test_of_an_answer_that_is_one_node_s_data_only_that_is_heard_of() -> None:
    graph = Graph("list", body="rows")
    graph.node(id="rows")(lambda context: [{"a": 1, "b": 2}])
    graph.node(id="other")(lambda context: 2)

    assert watch(graph) == [("rows", None, [{"a": 1, "b": 2}])]
    assert watch(graph, outputs=["a"]) == [("rows", None, [{"a": 1}])]


def test_the_result_is_that_of_any_other_run() -> None:
    graph = page()

    assert graph.run(None, on_output=lambda *heard: None).merged == graph.run(None).merged


def test_a_fallback_node_still_takes_over() -> None:
    graph = Graph("page")
    graph.node(id="second", output="second")(lambda context: 2)

    @graph.node(output="first", fallback=graph["second"])
    def first(context: Any) -> None:
        raise ValueError

    assert ("first", "first", 2) in watch(graph)


def test_what_came_before_a_failure_was_heard_of() -> None:
    graph = Graph("page")
    heard: list[Any] = []
    graph.node(id="good", output="good")(lambda context: 1)

    @graph.node
    def bad(context: Any) -> None:
        gevent.sleep(0.005)
        raise ValueError

    with pytest.raises(NodeError):
        graph.run(None, on_output=lambda *told: heard.append(told))

    assert heard == [("good", "good", 1)]
