"""The books of one run: which node ended how, what it gave, and which nodes are ready because of that.

No greenlet and no clock of its own: the engine calls it, from whichever greenlet got the news. A node's state is
written once; whoever comes second sees that it is written and drops what he brought. `FALLING` is the one state that
is left again: the node has failed, and its fallback has not answered yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

from fastdag import outcome
from fastdag.blank import CANCELLED, FAILED, FALLBACK, FALLING, OK, PENDING, SKIPPED
from fastdag.errors import MissingValue, Relayed, UpstreamRejected
from fastdag.outcome import Outcome
from fastdag.plan import Plan
from fastdag.signature import REQUIRED
from fastdag.wiring import Arguments, Link

__all__ = [
    "CANCELLED",
    "FAILED",
    "FALLBACK",
    "FALLING",
    "NOTHING",
    "OK",
    "PENDING",
    "SKIPPED",
    "WITH_DATA",
    "Ledger",
]

NAMES = ("", outcome.OK, outcome.FALLBACK, outcome.SKIPPED, outcome.FAILED, outcome.CANCELLED, "")
WITH_DATA = (OK, FALLBACK)
OPEN = -1
SHED = "shed"

#: What few runs have any of. Whoever has the first to note makes a dict: to make all of them for each run would cost
#: as much as several nodes.
NOTHING: Any = MappingProxyType({})


def _late() -> TimeoutError:
    return TimeoutError("the run's deadline came before its turn")


class Ledger:
    """Arrays indexed like the plan's, and two queues of ready nodes; `~i` in a queue is the fallback of `i`."""

    __slots__ = (
        "began", "breaths", "ended", "fatal", "gates", "left", "missing", "plan", "ready",
        "stale", "start", "state", "trouble", "values", "waiting", "waits_ready",
    )  # fmt: skip

    def __init__(self, plan: Plan, start: float) -> None:
        blank = plan.blank
        self.plan = plan
        self.start = start
        self.values = blank.values.copy()
        self.state = blank.state.copy()
        self.began = blank.began.copy()
        self.ended = blank.ended.copy()
        self.waiting = blank.waiting.copy()
        self.left = len(self.waiting)
        # A worker let the loop turn between the end of one node and the beginning of the next: to when, from when.
        self.breaths: dict[float, float] = NOTHING
        self.stale: tuple[int, ...] = ()  # were given old data in place of a failure, so that they end as `FALLBACK`
        self.missing: dict[int, str | None] = {}  # lack a parent's data; the reason they would be skipped for
        self.trouble: dict[int, tuple[str | None, BaseException | None]] = {}
        self.gates: dict[int, int] = NOTHING  # fallback nodes: how many of those they serve need them no more, or OPEN
        self.fatal: tuple[int, ...] = ()
        self.ready = blank.ready.copy()
        self.waits_ready = blank.waits_ready.copy()  # nodes that mostly wait for others start before the rest

    def all_ended(self) -> None:
        """Called when the last node has ended."""

    def required_failed(self) -> None:
        """Called when a node that nothing answers for has failed: no further node is to start."""

    # -- writing

    def settle(self, i: int, state: int, at: float) -> None:
        """Write a node's outcome and tell those who wait for it."""
        plan = self.plan
        self.state[i] = state
        self.ended[i] = at
        self.left -= 1
        if state not in WITH_DATA:
            reason = "dependency" if state == FAILED else self.trouble.get(i, (None,))[0]
            for child in plan.needers[i]:
                self.missing[child] = reason or self.missing.get(child)
        for child in plan.children[i]:
            self._one_less(child)
        if plan.stand_ins[i]:
            self.stand_in(i, at)
        if not self.left:
            self.all_ended()

    def fail(self, i: int, error: BaseException, reason: str, at: float) -> None:
        """A node has failed, or lacks a parent: its fallback answers, will be asked, or the node is lost."""
        step = self.plan.steps[i]
        self.trouble[i] = (reason, error)
        if isinstance(error, Relayed):  # the answer of the whole run, whatever the node's failure would mean
            self.lose(i, at, required=True)
        elif step.fallback_value is not REQUIRED:
            self.values[i] = step.fresh_fallback()
            self.settle(i, FALLBACK, at)
        elif step.fallback_call is not None:
            self.state[i] = FALLING
            self.ready.append(~i)
        elif step.fallback_node is not None:
            self.state[i] = FALLING
            self._open_gate(i, step.fallback_node, at)
        else:
            self.lose(i, at)

    def lose(self, i: int, at: float, *, required: bool = False) -> None:
        """A node has failed for good. A required one fails the run; one that stands in for others is theirs."""
        fatal = required or not self._dispensable(i)
        if fatal:
            self.fatal += (i,)
        self.settle(i, FAILED, at)
        if fatal:
            self.required_failed()

    def _dispensable(self, i: int) -> bool:
        return self.plan.steps[i].optional or i in self.plan.served_by

    def without_parents(self, i: int, at: float) -> None:
        """A node's turn has come, but a parent that it needs has no data."""
        reason = self.missing[i]
        if reason == SHED:
            self.fail(i, UpstreamRejected(f"{self.plan.ids[i]} was dropped under pressure", reason=SHED), SHED, at)
        elif reason is not None and self.plan.steps[i].has_fallback:
            self.fail(i, MissingValue(f"{self.plan.ids[i]} needs a parent that has no data"), reason, at)
        else:
            self.trouble[i] = (reason, None)
            self.settle(i, SKIPPED, at)

    def shed(self, level: float) -> list[int]:
        """Before the start: drop the optional nodes that matter less than the pressure is high."""
        dropped = [i for criticality, i in self.plan.sheddable if criticality < level]
        self.missing.update((i, SHED) for i in dropped)
        return dropped

    def _one_less(self, i: int) -> None:
        self.waiting[i] -= 1
        if not self.waiting[i]:
            (self.waits_ready if self.plan.waits[i] else self.ready).append(i)

    # -- fallback nodes wait behind a gate, which the first failure of a node that they serve opens

    def _open_gate(self, owner: int, stand_in: int, at: float) -> None:
        if self.state[stand_in]:
            self._answer_for(owner, stand_in, at)
        elif self.gates.get(stand_in) != OPEN:
            self._count_gate(stand_in, OPEN)
            self._one_less(stand_in)

    def stand_in(self, i: int, at: float) -> None:
        """The end of a node concerns the one that would have stood in for it, or those that it stands in for."""
        for owner in self.plan.served_by.get(i, ()):
            if self.state[owner] == FALLING:
                self._answer_for(owner, i, at)
        fallback = self.plan.steps[i].fallback_node
        if fallback is not None and not self.state[fallback] and self.gates.get(fallback) != OPEN:
            self._count_gate(fallback, self.gates.get(fallback, 0) + 1)
            if self.gates[fallback] == len(self.plan.served_by[fallback]):
                self._count_gate(fallback, OPEN)
                self.missing[fallback] = None
                self._one_less(fallback)

    def _count_gate(self, stand_in: int, count: int) -> None:
        if self.gates is NOTHING:
            self.gates = {}
        self.gates[stand_in] = count

    def _answer_for(self, owner: int, stand_in: int, at: float) -> None:
        if self.state[stand_in] in WITH_DATA:
            self.values[owner] = self.values[stand_in]
            self.settle(owner, FALLBACK, at)
        else:
            self.lose(owner, at)

    # -- the end, before all nodes have had their turn

    def run_out(self, running: set[int], answer_now: Callable[[int], object], at: float) -> None:
        """The deadline: fail what is running, and take everybody else off the queues without running a node.

        Fallbacks still answer; those that are functions are asked by `answer_now`, and only once.
        """
        for i in list(self.unfinished()):
            if self.state[i] == FALLING:
                if ~i not in self.ready:  # else its fallback is asked below
                    self.lose(i, at)
            elif i in running:
                self.fail(i, TimeoutError("the run's deadline came first"), "timeout", at)
        missed = []
        while self.ready or self.waits_ready:
            i = self.waits_ready.popleft() if self.waits_ready else self.ready.popleft()
            if i < 0:
                answer_now(~i)
                if self.state[~i] == FALLING:
                    self.lose(~i, at)
            elif i in self.missing:
                self.without_parents(i, at)
            elif self.plan.steps[i].has_fallback:
                self.fail(i, _late(), "timeout", at)
            elif self._dispensable(i):
                self.trouble[i] = ("dependency", None)
                self.settle(i, SKIPPED, at)
            else:
                missed.append(i)
        if missed and not self.fatal:
            first = min(missed)
            self.trouble[first] = ("timeout", _late())
            self.lose(first, at)

    def close(self, at: float) -> None:
        """Write the outcome of whatever is unfinished: skipped below a failure, cancelled elsewhere."""
        below: list[int] = [i for i, state in enumerate(self.state) if state == FAILED]
        while below:
            for child in self.plan.needers[below.pop()]:
                if not self.state[child]:
                    self._write(child, SKIPPED, "dependency", at)
                    below.append(child)
        for i in self.unfinished():
            self._write(i, CANCELLED, "cancelled", at)
        self.left = 0
        self.ready.clear()
        self.waits_ready.clear()

    def unfinished(self) -> Iterator[int]:
        """The nodes without an outcome, in the order of declaration."""
        return (i for i, state in enumerate(self.state) if state in (PENDING, FALLING))

    def _write(self, i: int, state: int, reason: str, at: float) -> None:
        error = self.trouble.get(i, (None, None))[1]
        self.trouble[i] = (reason, error)
        self.state[i] = state
        self.ended[i] = at

    # -- reading

    def apply(self, call: Arguments, context: Any) -> Any:
        """Call one function of a node with the data of its parents."""
        positional, named = self.arguments(call)
        if call.context == "first":
            return call.function(context, *positional, **named)
        if call.context is not None:
            named[call.context] = context
        return call.function(*positional, **named)

    def arguments(self, call: Arguments) -> tuple[list[Any], dict[str, Any]]:
        """The data of a node's parents, as its function takes it."""
        return [self._argument(link) for link in call.positional], {
            name: self._argument(link) for name, link in call.named
        }

    def _argument(self, link: Link) -> Any:
        if link.outcome:
            return self.outcome(link.parent)
        return self.values[link.parent] if self.state[link.parent] in WITH_DATA else link.default

    def outcome(self, i: int) -> Outcome:
        """How a node ended. Made when asked for: most are never looked at."""
        state, began = self.state[i], self.began[i]
        reason, error = self.trouble.get(i, (None, None))
        return Outcome(
            NAMES[state],
            self.values[i] if state in WITH_DATA else None,
            error,
            reason,
            None if began is None else began - self.start,
            0.0 if began is None else self.ended[i] - began,
        )
