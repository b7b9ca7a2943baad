"""What can happen, by name, and who is told.

The set of names is closed: logs, metrics, traces, timeline and panel all speak it. An `Instruments` belongs to one
graph, upstream or app; with nothing installed, an event costs one look at an attribute. An instrument that raises
is taken out and logged; the request never notices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["EVENTS", "Instrument", "Instruments"]

EVENTS = frozenset(
    {
        "run.started",
        "run.ended",
        "node.started",
        "node.ended",
        "node.abandoned",
        "call.started",
        "call.ended",
        "attempt.started",
        "attempt.ended",
        "retry.scheduled",
        "retry.refused",
        "hedge.started",
        "breaker.changed",
        "breaker.rejected",
        "bulkhead.rejected",
        "cache.hit",
        "cache.stale",
        "cache.miss",
        "merge.conflict",
        "host.ejected",
        "host.returned",
        "connection.dropped",
        "sink.dropped",
        "sink.failed",
        "request.shed",
        "node.shed",
        "loop.lagged",
    }
)

Instrument = Callable[[str, dict[str, Any]], object]

log = logging.getLogger("fastdag.events")


class Instruments:
    """The callbacks of one graph, upstream or app, by event name.

    Emitting is written `if instruments.active: instruments.emit("run.ended", graph="page", elapsed=0.1)`: the
    fields are only built when somebody listens.
    """

    __slots__ = ("_by_name", "active")

    def __init__(self) -> None:
        self.active = False
        self._by_name: dict[str, tuple[Instrument, ...]] = {}

    def on(self, name: str, instrument: Instrument) -> None:
        """Call `instrument(name, fields)` at every event of that name. An unknown name is a `ValueError`."""
        if name not in EVENTS:
            raise ValueError(f"no event is called {name!r}; the events are {', '.join(sorted(EVENTS))}")
        self._by_name[name] = (*self._by_name.get(name, ()), instrument)
        self.active = True

    def off(self, name: str, instrument: Instrument) -> None:
        """Undo `on`; an instrument that is not there is no error."""
        left = tuple(other for other in self._by_name.get(name, ()) if other is not instrument)
        self._by_name[name] = left
        self.active = any(self._by_name.values())

    def emit(self, name: str, **fields: Any) -> None:
        """Tell everybody who asked for this event."""
        for instrument in self._by_name.get(name, ()):
            try:
                instrument(name, fields)
            except Exception:
                self.off(name, instrument)
                log.exception("instrument %r raised at %s and is switched off", instrument, name)
