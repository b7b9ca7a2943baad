"""The retry budget: what keeps retries and hedges from turning a slow upstream into a dead one.

Counting attempts per call does not: when everything fails, two attempts per call are twice the load. A budget per
upstream bounds the sum (Google SRE, "Handling Overload"; Finagle's RetryBudget): a share of the calls of the last ten
seconds, and so many per second besides, so that an upstream with little traffic is retried too.
"""

from __future__ import annotations

from typing import Any

from fastdag.upstream.policies.window import Window
from fastdag.upstream.site import Site

__all__ = ["BUDGET", "PER_SECOND", "Budget"]

BUDGET = 0.1
PER_SECOND = 1.0
_SECONDS = 10.0


class Budget:
    """The attempts of one upstream beyond the first, retries and hedges alike."""

    __slots__ = ("_clock", "_per_window", "_share", "window")

    def __init__(self, site: Site, share: float, per_second: float) -> None:
        self._clock = site.clock
        self._share = share
        self._per_window = per_second * _SECONDS
        self.window = Window(_SECONDS, site.clock())

    @classmethod
    def of(cls, site: Site, share: float = BUDGET, per_second: float = PER_SECOND) -> Budget:
        """The budget of an upstream; the first to ask for it says how large it is."""
        return site.keep("budget", lambda: cls(site, share, per_second))

    def spend(self) -> bool:
        """Take one attempt out of it, if there is one."""
        calls, spent = self.window.recent(self._clock())
        if spent + 1 > calls * self._share + self._per_window:
            return False
        self.window.marked += 1
        return True

    def describe(self) -> dict[str, Any]:
        calls, spent = self.window.recent(self._clock())
        return {"calls": calls, "spent": spent, "left": max(0.0, calls * self._share + self._per_window - spent)}
