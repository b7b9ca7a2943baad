"""How long everything may take, and which limits contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fastdag.deadline import Seconds
from fastdag.explain import Explained
from fastdag.plan import Plan

__all__ = ["Limits", "contradictions", "limits_of"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one node may take, in seconds; of a fetch also how long one of its attempts may, and how many."""

    node: str
    timeout: Seconds | None
    upstream: str | None = None
    attempt: Seconds | None = None
    attempts: int | None = None


def limits_of(node: Explained) -> Limits:
    """The limits that hold in the end: of several the shortest."""
    call = node.call
    if "upstream" not in call:
        return Limits(node.id, node.timeout)
    total = _shortest(node.timeout, call["timeout"])
    return Limits(node.id, total, call["upstream"], _shortest(total, call["attempt_timeout"]), call["attempts"])


def _shortest(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def contradictions(route: str, plan: Plan, explained: Iterable[Explained]) -> Iterator[str]:
    """Limits of which one makes another pointless. What `Plan.lint` says of nodes' own timeouts is not repeated."""
    if plan.timeout is None:
        yield f"{route} has no time limit, so that a node that hangs holds its client; give it timeout="
    wires = {found.node.id: found for found in plan.wires}
    for node in explained:
        found = wires[node.id]
        if "upstream" in node.call and not found.sink:
            yield from _of_call(f"{plan.graph_id}.{node.id}", node.call, found.node.option("timeout"), plan.timeout)


def _of_call(name: str, call: Any, own: float | None, run: float | None) -> Iterator[str]:
    upstream, total, attempt = call["upstream"], call["timeout"], call["attempt_timeout"]
    if own is None and total is not None and run is not None and total > run:
        yield (
            f"{name} may take the {total:g} s of upstream {upstream!r}, which the run's {run:g} s cut short; "
            "lower the upstream's timeout=, or raise the run's"
        )
    limit = _shortest(total, run)
    if call["attempts"] > 1 and limit is not None and (math.inf if attempt is None else attempt) > limit:
        one = "any time" if attempt is None else f"{attempt:g} s"
        yield (
            f"{name} may repeat its call, but one attempt may take {one} and all of them {limit:g} s; "
            f"lower attempt_timeout= of upstream {upstream!r}, or give it retry=None"
        )
