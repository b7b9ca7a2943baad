"""What every run of a plan begins with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

__all__ = ["Blank"]


@dataclass(frozen=True, slots=True)
class Blank:
    """The books of a run that has not begun, for every run to copy: that costs half of what making them does."""

    values: list[Any]
    state: bytearray
    began: list[float | None]
    ended: list[float]
    waiting: list[int]
    ready: deque[int]
    waits_ready: deque[int]

    @classmethod
    def of(cls, waiting: list[int], waits: list[bool]) -> Blank:
        size = len(waiting)
        ready: deque[int] = deque(i for i in range(size) if not waiting[i] and not waits[i])
        waits_ready: deque[int] = deque(i for i in range(size) if not waiting[i] and waits[i])
        return cls([None] * size, bytearray(size), [None] * size, [0.0] * size, waiting, ready, waits_ready)
