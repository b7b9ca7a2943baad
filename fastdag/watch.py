"""Runs that somebody watches: they tell of themselves, their nodes, and their outputs the moment they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from fastdag.deadline import now
from fastdag.engine import Run
from fastdag.events import Instruments
from fastdag.ledger import NAMES, WITH_DATA
from fastdag.plan import Plan, Step
from fastdag.select import Selection
from fastdag.shape.fields import pick

__all__ = ["OnOutput", "WatchedRun", "new_run", "pruned"]

#: `(node id, key or None for the root, data)`; called between nodes, so it neither waits nor raises.
OnOutput = Callable[[str, str | None, Any], object]


def pruned(selection: Selection | None, on_output: OnOutput | None) -> OnOutput | None:
    """The same for a run of some outputs: it hears only what was asked for of each."""
    if selection is None or on_output is None:
        return on_output
    whole = selection.whole
    return lambda id, key, data: on_output(id, key, selection.of(id, data) if whole is None else pick(data, whole))


def new_run(
    plan: Plan, context: Any, timeout: float | None, instruments: Instruments, on_output: OnOutput | None = None
) -> Run:
    """A run that tells whoever wants to know of it, and of its nodes; one that nobody watches costs nothing more."""
    heard = instruments.heard
    if on_output is not None or "node" in heard:
        return WatchedRun(plan, context, timeout, instruments, on_output)
    return (ToldRun if "run" in heard else Run)(plan, context, timeout, instruments)


class ToldRun(Run):
    """Tells of its start and its end."""

    __slots__ = ()

    def go(self) -> None:
        instruments, graph = self.instruments, self.plan.graph_id
        if "run.started" in instruments.heard:
            instruments.tell("run.started", graph, self)
        try:
            self._go()
        finally:
            instruments.tell("run.ended", graph, self, now() - self.start)

    _go = Run.go  # for `WatchedRun` to wrap; no method of its own, which would be a frame more


class WatchedRun(ToldRun):
    """The engine calls `stand_in` at the end of every node whose flag is set in the plan's `stand_ins`, so that a
    fallback node can take over. Here the flag is set for outputs, too, or for all nodes where somebody listens to
    them; and the nodes' functions are called through `_begin`, which tells of their start.
    """

    __slots__ = ("_declared", "_keys", "_on_output", "_telling")

    def __init__(
        self, plan: Plan, context: Any, timeout: float | None, instruments: Instruments, on_output: OnOutput | None
    ) -> None:
        self._declared = plan
        self._on_output = on_output
        self._telling = "node" in instruments.heard
        self._keys: dict[int, str | None] = {}
        if on_output is not None:
            self._keys = dict(plan.outputs) if plan.body is None else {plan.body: None}
        if self._telling:
            calls = [
                (shape, partial(self._begin, i, function), a, b)
                for i, (shape, function, a, b) in enumerate(plan.calls)
            ]
            plan = replace(plan, stand_ins=b"\1" * len(plan), calls=tuple(calls))
        elif self._keys:
            flags = bytearray(plan.stand_ins)
            for index in self._keys:
                flags[index] = True
            plan = replace(plan, stand_ins=bytes(flags))
        super().__init__(plan, context, timeout, instruments)

    def _go(self) -> None:
        try:
            super()._go()
        finally:
            self.plan = self._declared  # the other one knows this run, and what knows itself outlives its use

    def stand_in(self, i: int, at: float) -> None:
        super().stand_in(i, at)
        if i in self._keys and self.state[i] in WITH_DATA and self._on_output is not None:
            self._on_output(self.plan.ids[i], self._keys[i], self.values[i])
        if self._telling:
            self._ended(i)

    def _begin(self, i: int, function: Callable[..., Any], *args: Any) -> Any:
        self._started(i)
        return function(*args)

    def _evaluate(self, step: Step) -> Any:
        if self._telling:
            self._started(step.index)
        return super()._evaluate(step)

    def _fly(self, step: Step) -> Any:
        if self._telling and step.index not in self.landed:
            self._started(step.index)
        return super()._fly(step)

    def _write(self, i: int, state: int, reason: str, at: float) -> None:
        super()._write(i, state, reason, at)
        if self._telling:
            self._ended(i)

    def _started(self, i: int) -> None:
        self.instruments.emit("node.started", graph=self.plan.graph_id, run=self, node=self.plan.ids[i])

    def _ended(self, i: int) -> None:
        began, reason = self.began[i], self.trouble.get(i, ("",))[0]
        self.instruments.emit(
            "node.ended",
            graph=self.plan.graph_id,
            run=self,
            node=self.plan.ids[i],
            state=NAMES[self.state[i]],
            reason=reason or "",
            elapsed=0.0 if began is None else self.ended[i] - began,
        )
