"""One request through the app, and what happened meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastdag.cli.requesting import Answer, Asked, ask
from fastdag.cli.routes import routes_of
from fastdag.deadline import Seconds
from fastdag.observe.critical import critical_path
from fastdag.observe.draw import draw
from fastdag.observe.install import Observers
from fastdag.observe.record import CallRecord, RequestRecord
from fastdag.observe.recorder import Recent
from fastdag.web.app import App

__all__ = ["Bar", "Call", "call"]


@dataclass(frozen=True, slots=True)
class Bar:
    """One node. `started` is in seconds after the request's start, `None` if it never began; `cost` is what a node on
    the critical path added to the run, `None` elsewhere."""

    node: str
    state: str
    reason: str
    started: Seconds | None
    elapsed: Seconds
    cost: Seconds | None


class Call:
    """An answer, and the record of how it came to be."""

    def __init__(self, app: App, answer: Answer, record: RequestRecord) -> None:
        self._app = app
        self.answer = answer
        self.record = record
        #: The run that answered, if a graph did. Of runs inside runs, the outer one ends last.
        self.run = record.runs[-1] if record.runs else None

    def nodes(self) -> list[Bar]:
        """In the order of declaration."""
        run = self.run
        if run is None:
            return []
        before = run.start - self.record.start
        costs = {leg.id: leg.cost for leg in critical_path(run)}
        return [
            Bar(
                node.id,
                node.state,
                node.reason,
                None if node.started is None else node.started + before,
                node.elapsed,
                costs.get(node.id),
            )
            for node in run.nodes
        ]

    def calls_of(self, node: str) -> list[CallRecord]:
        return [found for found in self.record.calls if found.node == node]

    def drawn(self, form: str) -> str:
        """The graph with the run on top; nothing, where no graph answered."""
        if self.run is None:
            return ""
        answering = self._app.graph_routes[self.run.route][self.run.method]
        return draw(answering.graph.compile(), form, run=self.run)

    def describe(self) -> dict[str, Any]:
        """All of it as data."""
        return {
            **self.answer.describe(),
            "elapsed": self.record.elapsed,
            "graph": None if self.run is None else self.run.graph,
            "nodes": self.nodes(),
            "calls": self.record.calls,
            "events": self.record.events,
        }


def call(app: App, request: Asked) -> Call:
    """Answer one request, under observation."""
    recent = Recent(keep=1)
    Observers([recent]).watch(app, *(route.resource.graph for route in routes_of(app)))
    answer = ask(app, request)
    (record,) = recent.requests()
    return Call(app, answer, record)
