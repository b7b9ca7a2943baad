"""Gathers all that belongs to one request into one record, and hands it over when the request is over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from fastdag.deadline import now
from fastdag.events import Instrument
from fastdag.observe.record import POLICIES, CallRecord, Event, RequestRecord, RunRecord

__all__ = ["Recent", "Recorder"]

#: So many calls, and so many other events, are kept of one request.
_MOST = 200

#: The other events that are worth a note.
_NOTED = ("merge.conflict", "node.abandoned", "node.shed", "request.shed", *POLICIES)


class Recorder:
    """The base of observers that look at whole requests: they define `ended(record)`.

    The record travels in a contextvar, which nodes, and what they spawn, inherit. What ends after its request, such as
    a cache's refresh behind the caller's back, still goes into the record, for who keeps it.
    """

    def __init__(self) -> None:
        self._current: ContextVar[RequestRecord | None] = ContextVar("fastdag_record", default=None)

    def ended(self, record: RequestRecord) -> None:
        """A request is over."""

    def events(self) -> dict[str, Instrument]:
        return {
            "request.started": self._started,
            "request.ended": self._ended,
            "run.ended": self._run,
            "call.ended": self._call,
            **dict.fromkeys(_NOTED, self._note),
        }

    def _started(self, _name: str, fields: Mapping[str, Any]) -> None:
        record = RequestRecord(fields["method"], fields["path"], fields["request_id"], time.time(), now())
        self._current.set(record)

    def _ended(self, _name: str, fields: Mapping[str, Any]) -> None:
        record = self._current.get()
        if record is not None:
            record.route = fields["route"]
            record.status = fields["status"]
            record.trace_id = fields["trace_id"]
            record.elapsed = fields["elapsed"]
            self.ended(record)

    def _run(self, _name: str, fields: Mapping[str, Any]) -> None:
        record = self._current.get()
        if record is not None:
            run = fields["run"]
            record.runs.append(RunRecord(run, fields["elapsed"], run.context))

    def _call(self, _name: str, fields: Mapping[str, Any]) -> None:
        record = self._current.get()
        if record is None:
            return
        if len(record.calls) >= _MOST:
            record.left_out += 1
            return
        elapsed = fields["elapsed"]
        record.calls.append(
            CallRecord(
                fields["upstream"],
                fields["node"],
                fields["method"],
                fields["path"],
                fields["status"],
                fields["reason"],
                now() - record.start - elapsed,
                elapsed,
            )
        )

    def _note(self, name: str, fields: Mapping[str, Any]) -> None:
        record = self._current.get()
        if record is None:
            return
        if len(record.events) >= _MOST:
            record.left_out += 1
        else:
            record.events.append(Event(name, now() - record.start, dict(fields)))


class Recent(Recorder):
    """Keeps the last requests, `keep` of them."""

    def __init__(self, keep: int = 100) -> None:
        super().__init__()
        self._records: deque[RequestRecord] = deque(maxlen=keep)

    def ended(self, record: RequestRecord) -> None:
        self._records.append(record)

    def requests(self) -> list[RequestRecord]:
        """The last requests, the oldest first."""
        return list(self._records)
