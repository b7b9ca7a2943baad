"""Leaks: what a test has left running."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from fastdag.concurrency import Greenlet, sleep

__all__ = ["no_leaks"]


@contextmanager
def no_leaks(patience: float = 1.0) -> Iterator[None]:
    """Fails if greenlets that were started in the block still run `patience` seconds after its end.

    fastdag's own workers, which are used again, are not among them.
    """
    before: WeakSet[Any] = WeakSet(_running())
    yield
    until = time.monotonic() + patience
    while left := [greenlet for greenlet in _running() if greenlet not in before]:
        if time.monotonic() > until:
            raise AssertionError(f"left running: {', '.join(map(repr, left))}")
        sleep(0.01)


def _running() -> list[Any]:
    return [found for found in gc.get_objects() if isinstance(found, Greenlet) and not found.dead]
