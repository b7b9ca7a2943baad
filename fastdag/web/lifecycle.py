"""The life of an app in one process: started once, draining, stopped once."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any

__all__ = ["Hook", "Lifecycle", "hooks"]

Hook = Callable[[], Any]

log = logging.getLogger("fastdag.web")


class Lifecycle:
    """Runs the start hooks before the first request and the stop hooks after the last.

    A server calls `start` in its worker process, once it has forked; without such a server the first request does
    (`/livez` apart). A start hook that raises leaves the app unstarted, and the next request tries again. `stop` runs
    the stop hooks, the last one first, in the process that started only, and at the latest when the interpreter ends;
    one that raises is logged and does not keep the others from running.
    """

    __slots__ = ("_alive", "_drained", "_lock", "_on_start", "_on_stop", "_pid", "started", "stopped")

    def __init__(
        self, on_start: Hook | Iterable[Hook] | None, on_stop: Hook | Iterable[Hook] | None, *, drain: Hook
    ) -> None:
        self._on_start = hooks("on_start", on_start)
        # What is at work may still need what the stop hooks close.
        self._on_stop = (*hooks("on_stop", on_stop), drain)
        self._lock = RLock()
        self._pid = 0
        self.started = False
        self.stopped = False
        self._drained = False
        self._alive: Callable[[], bool] | None = None

    @property
    def draining(self) -> bool:
        """Whether the process is about to stop: somebody has said so, or `alive` says so when it is asked."""
        return self._drained or (self._alive is not None and not self._alive())

    def drain(self) -> None:
        self._drained = True

    def start(self, alive: Callable[[], bool] | None = None) -> None:
        with self._lock:  # the first requests arrive together, and hooks may wait for I/O
            self._alive = alive or self._alive
            if self.started and not self.stopped:
                return
            for hook in self._on_start:
                hook()
            self.started = True
            self.stopped = self._drained = False
            self._pid = os.getpid()
            atexit.register(self.stop)

    def stop(self) -> None:
        with self._lock:
            if not self.started or self.stopped or self._pid != os.getpid():
                return
            # `started` stays: a request that comes late does not start the app again.
            self.stopped = self._drained = True
            atexit.unregister(self.stop)
            for hook in reversed(self._on_stop):
                try:
                    hook()
                except Exception:
                    log.exception("stop hook %r raised", hook)


def hooks(name: str, given: Hook | Iterable[Hook] | None) -> tuple[Hook, ...]:
    """Hooks as the user gave them, as a tuple; what cannot be called is refused."""
    found = () if given is None else (given,) if callable(given) else tuple(given)
    for hook in found:
        if not callable(hook):
            raise TypeError(f"{name} takes a function without arguments, or several of them; not {hook!r}")
    return found
