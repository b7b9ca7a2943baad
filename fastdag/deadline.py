"""Deadlines: absolute instants of the monotonic clock, as floats; `None` means no limit.

An absolute instant can be handed down any number of layers without being lengthened on the way, which a
"seconds left" cannot.
"""

from __future__ import annotations

import math
import time
from typing import Any

__all__ = ["Seconds", "after", "check_seconds", "earliest", "now", "remaining"]

Seconds = float

now = time.monotonic


def after(seconds: Seconds | None) -> float | None:
    """The deadline that lies so many seconds ahead."""
    return None if seconds is None else now() + seconds


def earliest(one: float | None, other: float | None) -> float | None:
    """The first of two deadlines to come."""
    if one is None:
        return other
    return one if other is None or one <= other else other


def remaining(deadline: float | None) -> Seconds | None:
    """Seconds until a deadline, never negative."""
    return None if deadline is None else max(0.0, deadline - now())


def check_seconds(name: str, value: Any, *, zero: bool = False) -> Seconds | None:
    """A timeout as the user wrote it: `None`, or a finite positive number of seconds; anything else is refused."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} takes seconds as a number, or None; not {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name} takes a positive number of seconds, or None; not {value!r}")
    return float(value)
