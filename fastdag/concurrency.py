"""The one door to gevent: greenlets, the loop, timers, and a crew of greenlets that is used again.

Two rules hold everywhere above this file. A greenlet that waits is woken exactly once: whoever wakes it, an answer,
a timer or a kill, first claims its `Waiter`. And a greenlet that ran somebody's code is used again only if nobody
kept hold of it, see `Crew`.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable
from sys import getrefcount
from typing import Any
from weakref import getweakrefcount

import gevent
import gevent.monkey
from gevent import GreenletExit, Timeout
from gevent.hub import get_hub
from greenlet import getcurrent, greenlet

__all__ = [
    "Crew",
    "GreenletExit",
    "Timeout",
    "Waiter",
    "crew",
    "from_signal_handler",
    "get_hub",
    "getcurrent",
    "greenlet",
    "spawn",
    "warn_unless_patched",
]

spawn = gevent.spawn


class Waiter:
    """One wait of the current greenlet, woken once.

    `wake` and `fail` are called in the hub (from a loop callback); the first of them claims the waiter and switches,
    the rest do nothing and say so by returning false. They may come before `wait`. A kill or a `Timeout` that is
    thrown into the waiting greenlet claims it too.
    """

    __slots__ = ("_error", "_greenlet", "_value", "claimed")

    def __init__(self) -> None:
        self.claimed = False
        self._greenlet: Any = None
        self._value: Any = None
        self._error: BaseException | None = None

    def wake(self, value: Any = None) -> bool:
        if self.claimed:
            return False
        self.claimed = True
        self._value = value
        if self._greenlet is not None:
            self._greenlet.switch()
        return True

    def fail(self, error: BaseException) -> bool:
        if self.claimed:
            return False
        self._error = error
        return self.wake()

    def wait(self) -> Any:
        """Blocks until somebody wakes it, and returns or raises what was brought."""
        if not self.claimed:
            self._greenlet = getcurrent()
            try:
                get_hub().switch()
            finally:
                self._greenlet = None
                self.claimed = True
        if self._error is not None:
            raise self._error
        return self._value


class Crew:
    """Greenlets that run tasks one after another, because a new one costs several times as much.

    A used greenlet could carry what its last task left behind into the next user's task: a thread-local, a
    `gevent.Timeout` still armed, an attribute. Each of those keeps a reference to the greenlet, strong or weak.
    So before a greenlet is used again its references are counted, and one that anybody else knows is dropped.
    """

    __slots__ = ("_hub", "_idle", "_limit")

    def __init__(self, hub: Any, limit: int = 1024) -> None:
        self._hub = hub
        self._idle: deque[Any] = deque()
        self._limit = limit

    def run(self, task: Callable[[], object]) -> None:
        """Start a task now, in a greenlet of its own; called in the hub. The task raises nothing but a stop."""
        idle = self._idle
        while idle:
            member = idle.popleft()
            # 2: the name `member`, and getrefcount's own argument.
            if getrefcount(member) == 2 and not getweakrefcount(member) and not member.__dict__:
                member.switch(task)
                return
        greenlet(self._live, self._hub).switch(task)

    def _live(self, task: Any) -> None:
        idle, limit, park = self._idle, self._limit, self._hub.switch
        while True:
            task()
            task = None
            if len(idle) >= limit:
                return
            idle.append(getcurrent())
            try:
                task = park()
            except BaseException:  # a timer somebody forgot, or the end of the process: nothing runs here
                return
            if task is None:
                return


def crew() -> Crew:
    """The crew of this thread's hub."""
    hub = get_hub()
    try:
        found: Crew = hub.fastdag_crew
    except AttributeError:
        found = hub.fastdag_crew = Crew(hub)
    return found


def from_signal_handler(error: BaseException) -> bool:
    """Whether an exception was raised by a signal handler that happened to run on top of somebody's code."""
    handlers = set()
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        if code is not None:
            handlers.add(code)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in handlers:
            return True
        trace = trace.tb_next
    return False


def warn_unless_patched() -> None:
    """Says so when the standard library blocks: fastdag never patches, the program's first lines do."""
    if not gevent.monkey.is_module_patched("socket"):
        # `skip_file_prefixes` came with 3.12; the caller's caller is near enough.
        warnings.warn(
            "the standard library is not patched, so blocking calls will not overlap; put "
            "'from gevent import monkey; monkey.patch_all()' into the first lines of the program",
            RuntimeWarning,
            stacklevel=3,
        )


if sys.implementation.name != "cpython":
    raise ImportError("fastdag counts references to greenlets and needs CPython")
