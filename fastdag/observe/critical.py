"""Which nodes decided a run's time, and how long it would have taken had some of them been faster.

Both read what was recorded and ask for each node what it waited for: the last of those that it depends on to end
or, where that was over by then, the node whose end set it free. Nodes run one after another on one loop, and the
engine begins a node at the very instant at which the one before it in the same greenlet has ended, or notes that it
let the loop turn in between; so a node that began exactly when another ended was waiting for it, edge or not.

A simulation keeps the gaps between the end of what a node waited for and its own beginning as they were, and moves
everything up. A node that ran out of time takes as long as it did, however much faster it were: what it had still to
do is not known. A run that failed ends with the node that failed it. What was cancelled ended because the run did, and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fastdag.ledger import CANCELLED, FAILED, FALLBACK, PENDING
from fastdag.observe.record import RunRecord

__all__ = ["Leg", "critical_path", "simulate"]


class Leg(NamedTuple):
    """One node on the critical path: `cost` are the seconds that it added to the run, `waited` of them before it began
    although nothing that it depends on was missing."""

    id: str
    cost: float
    waited: float


class _Course:
    """One run as it went, in a form that can be walked."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        # A node that was skipped took no time; what waited for it waited for that decision.
        self.began = [end if at is None else at for at, end in zip(record.began, record.ended, strict=True)]
        self.ended = record.ended
        self.parents = record.parents()
        self.order = self._order()
        self.place = {i: at for at, i in enumerate(self.order)}
        ran = [i for i in self.order if record.began[i] is not None]
        self.freed = {self.ended[i]: i for i in reversed(ran)}
        # The node that answered for another one, where it was asked.
        self.answered_by = {
            owner: stand_in
            for stand_in, owners in record.plan.served_by.items()
            for owner in owners
            if record.began[stand_in] is not None
            and record.began[owner] is not None
            and record.states[owner] in (FALLBACK, FAILED)
            and self.began[owner] < self.began[stand_in]
        }
        self.owners: dict[int, list[int]] = {}
        for owner, stand_in in self.answered_by.items():
            self.owners.setdefault(stand_in, []).append(owner)

    def _order(self) -> list[int]:
        """By beginning; of those that began and ended at the same instant, parents first."""
        waiting = [len(parents) for parents in self.parents]
        order = [i for i, count in enumerate(waiting) if not count]
        for i in order:
            for child in self.record.plan.children[i]:
                waiting[child] -= 1
                if not waiting[child]:
                    order.append(child)
        return sorted(order, key=lambda i: (self.began[i], self.ended[i]))

    def work_ended(self, i: int) -> float:
        """When a node's own work was over: one that another answered for ended later than that."""
        stand_in = self.answered_by.get(i)
        return self.ended[i] if stand_in is None else self.began[stand_in]

    def waited_for(self, i: int) -> Iterator[int]:
        yield from self.parents[i]
        began = self.began[i]
        freed_by = self.freed.get(self.record.breaths.get(began, began))
        if freed_by is not None and freed_by != i and self.place[freed_by] < self.place[i]:
            yield freed_by

    def deciding(self) -> list[int]:
        """The nodes whose end was the end of the run."""
        record = self.record
        if record.fatal:
            return [min(record.fatal, key=lambda i: self.ended[i])]
        return [i for i, state in enumerate(record.states) if state not in (CANCELLED, PENDING)]


def critical_path(record: RunRecord) -> list[Leg]:
    """The nodes that decided a run's time, the first to run first. Their costs add up to the last node's end."""
    course = _Course(record)
    deciding = course.deciding()
    legs: list[Leg] = []
    at = max(deciding, key=lambda i: course.ended[i]) if deciding else None
    while at is not None:
        end = course.ended[at]
        stand_in = course.answered_by.get(at)
        if stand_in is not None:
            asked = course.began[stand_in]
            legs.append(Leg(record.ids[stand_in], end - asked, 0.0))
            end = asked
        before = max(course.waited_for(at), key=lambda i: course.ended[i], default=None)
        ready = record.start if before is None else course.ended[before]
        if record.began[at] is not None:
            legs.append(Leg(record.ids[at], end - ready, course.began[at] - ready))
        at = before
    return legs[::-1]


def simulate(record: RunRecord, faster: Mapping[str, float]) -> float:
    """How long a run would have taken, in seconds, if nodes had been faster: `{"reviews": 0.3}` is by 30 per cent."""
    course = _Course(record)
    deciding = course.deciding()
    if not deciding:
        return record.elapsed
    begins: dict[int, float] = {}
    ends: dict[int, float] = {}
    for i in course.order:
        kept = 1.0 if record.reasons.get(i) == "timeout" else 1.0 - faster.get(record.ids[i], 0.0)
        waited_for = [(course.ended[before], ends[before]) for before in course.waited_for(i) if before in ends]
        for owner in course.owners.get(i, ()):
            slower = 1.0 - faster.get(record.ids[owner], 0.0)
            work = course.began[i] - course.began[owner]
            waited_for.append((course.began[i], begins[owner] + work * slower))
        ready = max((old for old, _ in waited_for), default=record.start)
        gap = course.began[i] - ready
        begins[i] = max((new for _, new in waited_for), default=record.start) + gap
        ends[i] = begins[i] + (course.work_ended(i) - course.began[i]) * kept
        for owner in course.owners.get(i, ()):
            ends[owner] = ends[i] + course.ended[owner] - course.ended[i]
    last = max(course.ended[i] for i in deciding)
    return record.elapsed + max(ends[i] for i in deciding) - last
