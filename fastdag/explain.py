"""What a run would do, without doing it: which nodes, in which order, with which calls and time limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastdag.deadline import Seconds
from fastdag.wiring import Wire

__all__ = ["Explained", "explain", "waves"]


@dataclass(frozen=True, slots=True)
class Explained:
    """One node of a plan, as it would run for one context.

    `wave` is 0 for nodes that start at once, and for any other one more than the last of those that it waits for.
    `timeout` is the seconds that the node may take, the run's where it has none of its own. `condition` says what its
    turn depends on, if anything. `call` is what the node's kind can tell beforehand: for a fetch the upstream, the
    method, the target (what depends on a parent stands as the reference it is) and the cache key.
    """

    id: str
    kind: str
    wave: int
    waits_for: tuple[str, ...]
    optional: bool
    timeout: Seconds | None
    condition: str = ""
    call: Mapping[str, Any] = field(default_factory=dict)


def explain(wires: Sequence[Wire], timeout: float | None, context: Any) -> list[Explained]:
    """The nodes in the order in which they could run: by wave, then as declared."""
    places = waves(wires)
    ids = [found.node.id for found in wires]
    served = {found.fallback: ids[found.index] for found in wires if found.fallback is not None}
    found_all = [
        Explained(
            ids[found.index],
            type(found.node).__name__,
            places[found.index],
            tuple(ids[before] for before in dict.fromkeys([*found.parents(), *found.after])),
            bool(found.node.option("optional")),
            _shorter(found.node.option("timeout"), timeout),
            _condition(found, served),
            found.node.explain(context),
        )
        for found in wires
    ]
    return sorted(found_all, key=lambda each: each.wave)


def waves(wires: Sequence[Wire]) -> list[int]:
    """For every node its wave: 0 for nodes that start at once, else one more than the last that it waits for."""
    found = [-1] * len(wires)
    owners = {wire.fallback: wire.index for wire in wires if wire.fallback is not None}
    before = [[*wire.parents(), *wire.after] for wire in wires]
    for stand_in, owner in owners.items():
        before[stand_in].append(owner)
    todo = list(range(len(wires)))
    while todo:  # depth first, on a stack of our own: chains may be long
        index = todo[-1]
        unknown = [each for each in before[index] if found[each] < 0]
        if unknown:
            todo.extend(unknown)
        else:
            todo.pop()
            found[index] = 1 + max((found[each] for each in before[index]), default=-1)
    return found


def _shorter(own: float | None, run: float | None) -> float | None:
    return min((seconds for seconds in (own, run) if seconds is not None), default=None)


def _condition(found: Wire, served: Mapping[int, str]) -> str:
    if found.index in served:
        return f"only if {served[found.index]} fails"
    if found.sink:
        return "after the answer"
    return "only if when= says so" if found.when is not None else ""
