"""The one door to gevent: greenlets, the loop, timers, and a crew of greenlets that is used again.

Two rules hold everywhere above this file. A greenlet that waits is woken exactly once: whoever wakes it, an answer,
a timer or a kill, first claims its `Waiter`. And a greenlet that ran somebody's code is used again only if nobody
kept hold of it, see `Crew`.
"""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable
from functools import partial
from sys import getrefcount
from typing import Any, TypeVar
from weakref import getweakrefcount

import gevent
import gevent.monkey
from gevent import Greenlet, GreenletExit, Timeout
from gevent import socket as sockets
from gevent.hub import get_hub
from gevent.pywsgi import WSGIServer
from gevent.resolver.ares import Resolver
from greenlet import getcurrent, greenlet

__all__ = [
    "Crew",
    "Greenlet",
    "GreenletExit",
    "Timeout",
    "Waiter",
    "breathe",
    "crew",
    "from_signal_handler",
    "get_hub",
    "getcurrent",
    "greenlet",
    "hub_resolver",
    "is_patched",
    "natively",
    "original",
    "sleep",
    "spawn",
    "wait_at_most",
    "warn_unless_patched",
    "wsgi_server",
]

T = TypeVar("T")

spawn = gevent.spawn
sleep = gevent.sleep

#: `original("time", "sleep")`: what the standard library had there before it was patched.
original = gevent.monkey.get_original


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

    def wake(self, value: Any = None, error: BaseException | None = None) -> bool:
        """Claim it; the waiting greenlet goes on with the value, or with the error raised."""
        if self.claimed:
            return False
        self.claimed = True
        self._value, self._error = value, error
        if self._greenlet is not None:
            self._greenlet.switch()
        return True

    def fail(self, error: BaseException) -> bool:
        return self.wake(None, error)

    def wait(self) -> Any:
        """Blocks until somebody wakes it, and returns or raises what was brought."""
        if not self.claimed:
            self._greenlet = getcurrent()
            switch = get_hub().switch
            try:
                while not self.claimed:
                    switch()
            finally:
                self._greenlet = None
                self.claimed = True
        if self._error is not None:
            raise self._error
        return self._value


def wait_at_most(waiter: Waiter, seconds: float, late: Any = None) -> Any:
    """Wait like `waiter.wait()`, but after so many seconds be woken with `late`."""
    timer = get_hub().loop.timer(max(0.0, seconds))
    timer.start(waiter.wake, late, update=True)
    try:
        return waiter.wait()
    finally:
        timer.stop()
        timer.close()


def hub_resolver(**options: Any) -> Any:
    """A DNS resolver on this thread's loop (c-ares). It has no threads, so look-ups that hang hold up no others."""
    return Resolver(get_hub(), **options)


def natively(function: Callable[..., T], *args: Any) -> T:
    """What a function returns that may block, called in a native thread while the loop goes on. It must not raise."""
    found: T = get_hub().threadpool.apply(function, args)
    return found


def wsgi_server(host: str, port: int, app: Callable[..., Any], log: logging.Logger) -> WSGIServer:
    """A started server for a few clients, on this thread's loop: `server_port`, `stop(timeout)`.

    Several processes can listen at the same address, and each connection goes to one of them (SO_REUSEPORT).
    """
    family, _, _, _, address = sockets.getaddrinfo(host, port, type=sockets.SOCK_STREAM, flags=sockets.AI_PASSIVE)[0]
    listener = sockets.socket(family, sockets.SOCK_STREAM)
    try:
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    server = WSGIServer(listener, app, log=None, error_log=log, spawn=64)
    server.start()
    return server


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
        """Start a task now, in a greenlet of its own; called in the hub. A task that returns true used it up."""
        idle = self._idle
        while idle:
            member = idle.pop()  # the last used, whose stack is still near the processor
            # It is dead if a timer that a task left armed went off meanwhile. 2: the name `member`, and getrefcount's
            # own argument.
            if not member.dead and getrefcount(member) == 2 and not getweakrefcount(member) and not member.__dict__:
                member.switch(task)
                return
        member = greenlet(self._live, self._hub)
        member.switch()  # without the task: a greenlet keeps the arguments of its first switch for life
        member.switch(task)

    def _live(self) -> None:
        # The hub's own `switch` asks who switches for a `switch_out`, which these have not.
        idle, limit, park = self._idle, self._limit, partial(greenlet.switch, self._hub)
        task: Any = park()
        while True:
            used_up = task()
            task = None
            if used_up or len(idle) >= limit:
                return
            idle.append(getcurrent())
            try:
                task = park()
            except BaseException:  # a timer somebody forgot, or the end of the process: nothing runs here
                return
            if task is None:
                return


def crew(hub: Any = None) -> Crew:
    """The crew of a hub; of this thread's, if none is named."""
    if hub is None:
        hub = get_hub()
    try:
        return hub.fastdag_crew  # type: ignore[no-any-return]
    except AttributeError:
        hub.fastdag_crew = found = Crew(hub)
        return found


def breathe() -> None:
    """Let the loop serve sockets and timers once. Not `sleep(0)`, which would only run other callbacks."""
    hub = get_hub()
    timer = hub.loop.timer(0)
    timer.start(getcurrent().switch)
    try:
        hub.switch()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a `gevent.Timeout` that somebody's code forgot here: it is nobody's now
        pass
    finally:
        timer.stop()
        timer.close()


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


def is_patched() -> bool:
    """Whether the standard library's sockets let the loop run while they wait."""
    return bool(gevent.monkey.is_module_patched("socket"))


def warn_unless_patched() -> None:
    """Says so when the standard library blocks: fastdag never patches, the program's first lines do."""
    if not is_patched():
        # `skip_file_prefixes` came with 3.12; the caller's caller is near enough.
        warnings.warn(
            "the standard library is not patched, so blocking calls will not overlap; put "
            "'from gevent import monkey; monkey.patch_all()' into the first lines of the program",
            RuntimeWarning,
            stacklevel=3,
        )


if sys.implementation.name != "cpython":
    raise ImportError("fastdag counts references to greenlets and needs CPython")
