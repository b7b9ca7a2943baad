"""Waiting, bounded: for a descriptor, for somebody else, and for the one deadline of an exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastdag.concurrency import Waiter, get_hub, wait_at_most
from fastdag.deadline import now
from fastdag.errors import UpstreamTimeout

__all__ = ["READ", "WRITE", "Alarm", "wait_for", "wait_ready"]

READ = 1
WRITE = 2

_LATE = object()
_NEVER = float("inf")


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


class Alarm:
    """Calls back at a deadline, which is moved on with every exchange.

    The timer below it runs on from one exchange to the next, whose deadline is later, and is set again for what is
    left when it fires: an upstream that answers in a millisecond costs a timer a second, not a thousand. It keeps the
    loop alive while a deadline is set, and only then.

    Who sets `deadline` calls `start` if that is before `due`, and has `timer.ref` true else: it is on the path of
    every call.
    """

    __slots__ = ("_callback", "_loop", "deadline", "due", "timer")

    def __init__(self, loop: Any, callback: Callable[[], object]) -> None:
        self._loop = loop
        self._callback: Callable[[], object] | None = callback
        self.timer: Any = None
        self.deadline = self.due = _NEVER

    def start(self) -> None:
        """Have the timer fire at the deadline, and no later."""
        self.stop()
        self.due = self.deadline
        self.timer = self._loop.timer(max(0.0, self.due - now()))
        self.timer.start(self._on_timer, update=True)

    def rest(self) -> None:
        """No deadline until the next is set."""
        self.deadline = _NEVER
        if self.timer is not None:
            self.timer.ref = False

    def stop(self) -> None:
        timer, self.timer = self.timer, None
        self.due = _NEVER
        if timer is not None:
            timer.stop()
            timer.close()

    def close(self) -> None:
        """Stop, and let go of the callback, whose object holds this one."""
        self.stop()
        self._callback = None

    def _on_timer(self) -> None:
        self.stop()
        if now() >= self.deadline and self._callback is not None:
            self._callback()
        elif self.deadline < _NEVER:
            self.start()
