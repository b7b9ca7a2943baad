"""The routes of an app that are graphs, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastdag.cli.trouble import Trouble
from fastdag.graph import Graph
from fastdag.node import near
from fastdag.plan import Plan
from fastdag.web.app import App
from fastdag.web.resource import GraphResource

__all__ = ["Route", "graphs_of", "routes_of"]


@dataclass(frozen=True, slots=True)
class Route:
    """One path, with the methods of it that one graph answers."""

    path: str
    methods: tuple[str, ...]
    resource: GraphResource

    @property
    def graph(self) -> str:
        return self.resource.graph.id

    @property
    def name(self) -> str:
        return f"{','.join(self.methods)} {self.path}"

    def describe(self) -> dict[str, Any]:
        """The route as data."""
        return {
            "methods": self.methods,
            "path": self.path,
            "graph": self.graph,
            "nodes": len(self.plan()),
            "timeout": self.resource.limit,
        }

    def plan(self) -> Plan:
        """The graph's plan under the route's own time limit. Raises `GraphError`, as `Graph.compile` does."""
        return replace(self.resource.graph.compile(), timeout=self.resource.limit)


def routes_of(app: App) -> Iterator[Route]:
    """In the order in which they were added. `HEAD` goes without saying where there is `GET`."""
    for path, bound in app.graph_routes.items():
        for resource in dict.fromkeys(bound.values()):
            methods = [method for method, answering in bound.items() if answering is resource]
            yield Route(path, tuple(name for name in methods if name != "HEAD" or "GET" not in methods), resource)


def graphs_of(app: App, name: str | None) -> list[Graph]:
    """The graphs that answer at a path, or the one with that id, or all: each once."""
    every = list(routes_of(app))
    found = [route.resource.graph for route in every if name is None or name in (route.path, route.graph)]
    if not found and name is not None:
        known = {route.graph for route in every} | {route.path for route in every}
        raise Trouble(f"no route has the path or the graph {name!r}{near(name, known)}", "fastdag routes lists them")
    return list(dict.fromkeys(found))
