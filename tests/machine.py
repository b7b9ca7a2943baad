"""What a machine that pauses, or is busy with something else, does to measurements, kept out of them."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

#: By so many seconds a thing may take longer than it should, where it would take far longer if it were broken.
PAUSE = 1.0


def least(measure: Callable[[], float], times: int = 3) -> float:
    """The smallest of some measurements: what a thing costs by itself, whatever hit the others."""
    return min(measure() for _ in range(times))


def seconds_of(act: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that will be so: how long it may take is the bound, not the wait."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never so within {seconds} s"
        gevent.sleep(0.001)
