"""What every run of a plan begins with, and the numbers that stand for how its nodes end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

__all__ = ["CANCELLED", "FAILED", "FALLBACK", "FALLING", "OK", "PENDING", "SKIPPED", "Blank"]

PENDING, OK, FALLBACK, SKIPPED, FAILED, CANCELLED, FALLING = range(7)


@dataclass(frozen=True, slots=True)
class Blank:
    """The books of a run that has not begun, for every run to copy: that costs half of what making them does.

    `all_ok` are the states of a run in which every node ended well, as most do.
    """

    values: list[Any]
    state: bytearray
    began: list[float | None]
    ended: list[float]
    waiting: list[int]
    ready: deque[int]
    waits_ready: deque[int]
    all_ok: bytes

    @classmethod
    def of(cls, waiting: list[int], waits: list[bool]) -> Blank:
        size = len(waiting)
        ready: deque[int] = deque(i for i in range(size) if not waiting[i] and not waits[i])
        waits_ready: deque[int] = deque(i for i in range(size) if not waiting[i] and waits[i])
        return cls(
            values=[None] * size,
            state=bytearray([PENDING]) * size,
            began=[None] * size,
            ended=[0.0] * size,
            waiting=waiting,
            ready=ready,
            waits_ready=waits_ready,
            all_ok=bytes([OK]) * size,
        )
