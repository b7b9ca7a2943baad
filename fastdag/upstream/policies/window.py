"""A rolling window: how many of the calls of the last seconds were of a certain kind.

Counting is on the path of every call, so it is one addition to a number that only grows. The window is cut into
parts; at the edge of each the numbers are noted, and what happened within the window is the difference to the
oldest note. Between `seconds` and nine tenths of it are covered.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Window"]

_PARTS = 10


class Window:
    """Two counters, of all and of some (`marked`), and what they counted within the last `seconds`."""

    __slots__ = ("_notes", "_step", "edge", "marked", "total")

    def __init__(self, seconds: float, now: float) -> None:
        self.total = 0
        self.marked = 0
        self._step = seconds / _PARTS
        self.edge = now + self._step
        self._notes: deque[tuple[int, int]] = deque([(0, 0)] * _PARTS, _PARTS)

    def turn(self, now: float) -> None:
        """Note the numbers at each edge that has passed."""
        passed = int((now - self.edge) / self._step) + 1
        for _ in range(min(passed, _PARTS)):
            self._notes.append((self.total, self.marked))
        self.edge += passed * self._step

    def count(self, now: float, *, marked: bool = False) -> None:
        """One more."""
        if now >= self.edge:
            self.turn(now)
        self.total += 1
        self.marked += marked

    def recent(self, now: float) -> tuple[int, int]:
        """How many there were within the window, and how many of them marked."""
        if now >= self.edge:
            self.turn(now)
        total, marked = self._notes[0]
        return self.total - total, self.marked - marked
