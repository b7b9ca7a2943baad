"""The last requests of every route, for the panel to show."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from fastdag.deadline import now
from fastdag.observe.record import RequestRecord, RunRecord

__all__ = ["History", "Seen", "rate"]

#: The seconds over which requests per second are counted.
_SPAN = 10.0


class Seen(NamedTuple):
    """A request that was answered with a graph: its number in this process, its record, and the run that did it."""

    number: int
    record: RequestRecord
    run: RunRecord


class History:
    """Keeps the last `keep` requests of every route and graph, which are declared and therefore few."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._numbers = count(1)
        self._seen: dict[tuple[str, str], deque[Seen]] = {}

    def add(self, record: RequestRecord) -> None:
        """Keep a request, if a graph has answered it. Nodes may run graphs too, but later than the one they are in."""
        if record.runs:
            run = min(record.runs, key=lambda run: run.start)
            seen = self._seen.setdefault((record.route, run.graph), deque(maxlen=self._keep))
            seen.append(Seen(next(self._numbers), record, run))

    def of(self, route: str, graph: str) -> list[Seen]:
        """The last requests of a route, the oldest first."""
        return list(self._seen.get((route, graph), ()))


def rate(seen: Sequence[Seen]) -> float:
    """Requests per second, of late. Of a busy route less than the whole span is kept."""
    ages = [now() - one.record.start - one.record.elapsed for one in seen]
    recent = [age for age in ages if age < _SPAN]
    return len(recent) / (_SPAN if len(recent) < len(ages) else max([1.0, *recent]))
