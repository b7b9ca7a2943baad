"""What the tests of the web floor share: a client, and graphs of one node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from webtest import TestApp

from fastdag.graph import Graph
from fastdag.web.app import App

__all__ = ["client", "graph_of", "headers_of", "nothing"]


def graph_of(*functions: Callable[..., Any], id: str = "page", **options: Any) -> Graph:
    """A graph whose nodes are these functions, each of them an output."""
    graph = Graph(id, **options)
    for function in functions:
        graph.node(output=True)(function)
    return graph


def nothing(context: Any) -> None:
    """A node without data."""


def client(graph: Graph, path: str = "/", *, app: dict[str, Any] | None = None, **options: Any) -> TestApp:
    """A client of an app with one route."""
    made = App(**(app or {}))
    made.add_graph(path, graph, **options)
    return TestApp(made)


def headers_of(response: Any, name: str) -> list[str]:
    """Every value of a header, in order."""
    return [value for key, value in response.headerlist if key.lower() == name.lower()]
