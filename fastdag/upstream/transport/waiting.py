"""Waiting for a descriptor, bounded."""

from __future__ import annotations

from fastdag.concurrency import Waiter, get_hub, wait_at_most
from fastdag.deadline import now
from fastdag.errors import UpstreamTimeout

__all__ = ["READ", "WRITE", "wait_for", "wait_ready"]

READ = 1
WRITE = 2

_LATE = object()


def wait_for(waiter: Waiter, deadline: float, what: str) -> None:
    """Wait until somebody wakes the waiter, or the deadline: then `UpstreamTimeout`, naming what took so long."""
    if wait_at_most(waiter, deadline - now(), _LATE) is _LATE:
        raise UpstreamTimeout(f"{what} took too long")


def wait_ready(fd: int, events: int, deadline: float, what: str) -> None:
    """Wait until a descriptor can be read (`READ`) or written (`WRITE`)."""
    waiter = Waiter()
    watcher = get_hub().loop.io(fd, events, ref=False)
    watcher.start(waiter.wake)
    try:
        wait_for(waiter, deadline, what)
    finally:
        watcher.stop()
        watcher.close()
