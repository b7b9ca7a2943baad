"""How a node can end: the five states, and the closed set of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["CANCELLED", "FAILED", "FALLBACK", "OK", "REASONS", "SKIPPED", "STATES", "Outcome"]

OK = "ok"
FALLBACK = "fallback"
SKIPPED = "skipped"
FAILED = "failed"
CANCELLED = "cancelled"

STATES = (OK, FALLBACK, SKIPPED, FAILED, CANCELLED)

REASONS = frozenset(
    {
        "timeout",
        "connect",
        "protocol",
        "status",
        "decode",
        "too_large",
        "invalid",
        "breaker_open",
        "bulkhead_full",
        "shed",
        "dependency",
        "exception",
        "cancelled",
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one node ended, in one run.

    `state` is one of `STATES`; `value` is the node's data in the states `ok` and `fallback`; `error` is the exception
    that the node ended with, or that its fallback answered for; `reason` is one of `REASONS`, or `None`.
    `started` is in seconds after the run's start (`None`: never started), `elapsed` in seconds.
    """

    state: str
    value: Any = None
    error: BaseException | None = None
    reason: str | None = None
    started: float | None = None
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether there is data: the node's own or its fallback's."""
        return self.state in (OK, FALLBACK)
