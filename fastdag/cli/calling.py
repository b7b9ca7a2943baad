"""One request through the app, and what its run did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastdag.cli.requesting import Answer, Asked, ask
from fastdag.cli.routes import routes_of
from fastdag.deadline import now
from fastdag.events import Instrument
from fastdag.observe.critical import critical_path
from fastdag.observe.install import Observers
from fastdag.observe.record import CallRecord, RunRecord
from fastdag.web.app import App

__all__ = ["Witness", "call"]


class Witness:
    """An observer of one request: the run that answered it, if a graph did, and the calls that were made.

    A call's `started` is in seconds after the run's start, like those of nodes.
    """

    def __init__(self) -> None:
        self.run: RunRecord | None = None
        self._calls: list[tuple[float, Mapping[str, Any]]] = []

    def events(self) -> Mapping[str, Instrument]:
        return {"run.ended": self._run_ended, "call.ended": self._call_ended}

    def _run_ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        # Of runs inside runs, the outer one ends last.
        self.run = RunRecord(fields["run"], fields["elapsed"])

    def _call_ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        self._calls.append((now() - fields["elapsed"], fields))

    @property
    def calls(self) -> list[CallRecord]:
        start = 0.0 if self.run is None else self.run.start
        names = ("upstream", "node", "method", "path", "status", "reason", "elapsed")
        return [CallRecord(started=at - start, **{name: fields[name] for name in names}) for at, fields in self._calls]

    @property
    def costs(self) -> dict[str, float]:
        """What each node on the critical path added to the run, in seconds."""
        return {} if self.run is None else {leg.id: leg.cost for leg in critical_path(self.run)}

    def describe(self) -> dict[str, Any]:
        """The run as data."""
        if self.run is None:
            return {"graph": None, "nodes": [], "calls": [each._asdict() for each in self.calls]}
        costs = self.costs
        return {
            "graph": self.run.graph,
            "elapsed": self.run.elapsed,
            "nodes": [{**each._asdict(), "cost": costs.get(each.id)} for each in self.run.nodes],
            "calls": [each._asdict() for each in self.calls],
        }


def call(app: App, request: Asked) -> tuple[Answer, Witness]:
    """Start the app, answer one request, and stop it."""
    witness = Witness()
    Observers([witness]).watch(*(route.resource.graph for route in routes_of(app)))
    try:
        return ask(app, request), witness
    finally:
        app.stop()
