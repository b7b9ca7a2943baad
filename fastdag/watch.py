"""A run that tells of its outputs while it goes on: each the moment its node is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastdag.engine import Run
from fastdag.events import Instruments
from fastdag.ledger import WITH_DATA
from fastdag.plan import Plan
from fastdag.select import Selection
from fastdag.shape.fields import pick

__all__ = ["OnOutput", "WatchedRun", "pruned"]

#: `(node id, key or None for the root, data)`; called between nodes, so it neither waits nor raises.
OnOutput = Callable[[str, str | None, Any], object]


def pruned(selection: Selection | None, on_output: OnOutput) -> OnOutput:
    """The same for a run of some outputs: it hears only what was asked for of each."""
    if selection is None:
        return on_output
    whole = selection.whole
    return lambda id, key, data: on_output(id, key, selection.of(id, data) if whole is None else pick(data, whole))


class WatchedRun(Run):
    """The engine calls `stand_in` at the end of every node whose flag is set in the plan's `stand_ins`, so that a
    fallback node can take over. Here the flag is set for outputs, too; a run that nobody watches pays nothing for it.
    """

    __slots__ = ("_keys", "_on_output")

    def __init__(
        self, plan: Plan, context: Any, timeout: float | None, instruments: Instruments, on_output: OnOutput
    ) -> None:
        self._keys = dict(plan.outputs) if plan.body is None else {plan.body: None}
        self._on_output = on_output
        flags = bytearray(plan.stand_ins)
        for index in self._keys:
            flags[index] = True
        super().__init__(replace(plan, stand_ins=bytes(flags)), context, timeout, instruments)

    def stand_in(self, i: int, at: float) -> None:
        super().stand_in(i, at)
        if i in self._keys and self.state[i] in WITH_DATA:
            self._on_output(self.plan.ids[i], self._keys[i], self.values[i])
