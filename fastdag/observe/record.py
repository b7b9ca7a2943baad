"""What is known of a run and of a request once they are over, as plain data: all that is shown is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastdag.ledger import CANCELLED, NAMES, SKIPPED
from fastdag.workers import Workers

__all__ = ["POLICIES", "CallRecord", "Event", "NodeRecord", "RequestRecord", "RunRecord"]

#: The events that tell of one call what policies did with it.
POLICIES = (
    "retry.scheduled",
    "retry.refused",
    "hedge.started",
    "breaker.rejected",
    "bulkhead.rejected",
    "cache.hit",
    "cache.stale",
    "cache.miss",
    "store.failed",
)


class NodeRecord(NamedTuple):
    """One node of one run. Times are in seconds after the run's start; a node that never began has no `started`."""

    id: str
    state: str
    reason: str
    started: float | None
    ended: float
    waited_for: tuple[str, ...]

    @property
    def elapsed(self) -> float:
        return 0.0 if self.started is None else self.ended - self.started


class RunRecord:
    """One run: who ran from when to when, and who waited for whom.

    It shares its arrays, indexed alike, with the run and its plan; it holds no data of a node, and no exception.
    `began` and `ended` are instants of the monotonic clock, as is `start`; `reasons` holds only those that there are.
    """

    __slots__ = (
        "began",
        "breaths",
        "elapsed",
        "ended",
        "fatal",
        "method",
        "plan",
        "reasons",
        "route",
        "start",
        "states",
    )

    def __init__(self, run: Workers, elapsed: float, context: Any = None) -> None:
        self.plan = run.plan
        self.method: str = getattr(context, "method", "")
        self.route: str = getattr(context, "route", "")
        self.start = run.start
        self.elapsed = elapsed
        self.began = run.began
        self.ended = run.ended
        self.breaths = run.breaths
        self.states = run.state
        self.fatal = run.fatal
        self.reasons = {i: reason or "" for i, (reason, _) in run.trouble.items()} if run.trouble else {}

    @property
    def graph(self) -> str:
        return self.plan.graph_id

    @property
    def ids(self) -> tuple[str, ...]:
        return self.plan.ids

    @property
    def failed(self) -> bool:
        """Whether a required node failed, or the run was given up before its end."""
        return bool(self.fatal) or CANCELLED in self.states

    @property
    def complete(self) -> bool:
        return not self.failed and all(self.states[i] == SKIPPED and not reason for i, reason in self.reasons.items())

    @property
    def nodes(self) -> list[NodeRecord]:
        """Every node, in the order of declaration."""
        waited_for = self.parents()
        return [
            NodeRecord(
                id,
                NAMES[self.states[i]],
                self.reasons.get(i, ""),
                None if (began := self.began[i]) is None else began - self.start,
                self.ended[i] - self.start,
                tuple(self.ids[parent] for parent in waited_for[i]),
            )
            for i, id in enumerate(self.ids)
        ]

    def parents(self) -> list[list[int]]:
        """For every node those whose end it waits for, in the order of declaration."""
        found: list[list[int]] = [[] for _ in self.ids]
        for parent, children in enumerate(self.plan.children):
            for child in children:
                found[child].append(parent)
        return found

    def __repr__(self) -> str:
        return f"<RunRecord {self.graph} {self.elapsed * 1000:.1f} ms, {'complete' if self.complete else 'partial'}>"


class CallRecord(NamedTuple):
    """One call to an upstream, with all its attempts. `started` is in seconds after the request's start."""

    upstream: str
    node: str | None
    method: str
    path: str
    status: int
    reason: str
    started: float
    elapsed: float


class Event(NamedTuple):
    """Something else that happened, such as a retry or a cache hit; `at` is in seconds after the request's start."""

    name: str
    at: float
    about: dict[str, Any]


@dataclass(slots=True)
class RequestRecord:
    """One request. `started` is the calendar's (seconds since 1970), `start` the monotonic clock's; `status` is 499
    where the client did not wait for the answer. `left_out` counts calls and events beyond the limit."""

    method: str
    path: str
    request_id: str
    started: float
    start: float
    route: str = ""
    status: int = 0
    trace_id: str = ""
    elapsed: float = 0.0
    runs: list[RunRecord] = field(default_factory=list)
    calls: list[CallRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    left_out: int = 0

    @property
    def complete(self) -> bool | None:
        """Whether nothing was missing; `None` where no graph ran."""
        return all(run.complete for run in self.runs) if self.runs else None

    @property
    def retries(self) -> int:
        return sum(event.name == "retry.scheduled" for event in self.events)
