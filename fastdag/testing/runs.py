"""What ran: assertions on the outcomes of a run."""

from __future__ import annotations

from fastdag.node import near
from fastdag.outcome import SKIPPED
from fastdag.result import Result

__all__ = ["may_run", "must_not_run", "must_run"]


def must_run(result: Result, *ids: str) -> None:
    """Fails unless each of these nodes ran, whatever came of it."""
    idle = [id for id in ids if id not in _ran(result, ids)]
    if idle:
        raise AssertionError(f"did not run: {_told(result, idle)}")


def must_not_run(result: Result, *ids: str) -> None:
    """Fails if one of these nodes ran."""
    ran = [id for id in ids if id in _ran(result, ids)]
    if ran:
        raise AssertionError(f"ran: {_told(result, ran)}")


def may_run(result: Result, *ids: str) -> None:
    """Fails if any other node than these ran; these may have, or not."""
    others = [id for id in _ran(result, ids) if id not in ids]
    if others:
        raise AssertionError(f"ran besides {', '.join(ids) or 'nothing'}: {_told(result, others)}")


def _ran(result: Result, ids: tuple[str, ...]) -> list[str]:
    outcomes = result.outcomes
    for id in ids:
        if id not in outcomes:
            raise LookupError(f"the run had no node {id!r}{near(id, list(outcomes))}; sinks run after it")
    # Of one that its `when=` skipped, the predicate ran, but not the node.
    return [id for id, found in outcomes.items() if found.started is not None and found.state != SKIPPED]


def _told(result: Result, ids: list[str]) -> str:
    return ", ".join(
        f"{id} ({outcome.state}{f', {outcome.reason}' if outcome.reason else ''})"
        for id in ids
        for outcome in (result.outcomes[id],)
    )
