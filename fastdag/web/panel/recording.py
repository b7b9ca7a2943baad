"""What the panel knows of requests, and when it wants to know."""

from __future__ import annotations

import math
from typing import Protocol

from fastdag.deadline import now
from fastdag.events import Instruments
from fastdag.observe.install import Observers
from fastdag.observe.record import RequestRecord
from fastdag.observe.recorder import Recorder
from fastdag.web.openapi import Routes
from fastdag.web.panel.history import History

__all__ = ["Recording", "Subject"]

#: For so many seconds after the last look it goes on.
_LINGER = 300.0


class Subject(Protocol):
    """The app that the panel is about."""

    graph_routes: Routes
    in_flight: int
    instruments: Instruments


class Recording(Recorder):
    """Fills a history with what happens to an app, from the first look until some minutes after the last one.

    Telling of every call costs some microseconds each. A service that nobody looks at does not pay them.
    """

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._observers = Observers([self])
        self._until = math.inf

    def ended(self, record: RequestRecord) -> None:
        self._history.add(record)
        if now() > self._until:
            self._observers.unwatch()

    def look(self, app: Subject) -> None:
        """Somebody looks: record, if that is not so already, also what was added meanwhile."""
        self._until = now() + _LINGER
        graphs = {resource.graph for methods in app.graph_routes.values() for resource in methods.values()}
        self._observers.watch(app, *graphs)
