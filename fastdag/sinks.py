"""Sinks: nodes that run after the answer is decided, and neither delay nor fail it."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from fastdag.concurrency import Timeout, Waiter, get_hub, getcurrent, spawn
from fastdag.context import SCOPE, Scope
from fastdag.deadline import after
from fastdag.engine import Run
from fastdag.events import Instruments
from fastdag.ledger import WITH_DATA
from fastdag.plan import Step

__all__ = ["Sinks"]

log = logging.getLogger("fastdag.sinks")

TIMEOUT = 2.0  # seconds, for a sink that names no timeout of its own


class Sinks:
    """The sinks of one graph at work: so many at once, so many waiting, and no more.

    What comes beyond that is dropped and told of (`sink.dropped`): work that nobody waits for must not pile up.
    """

    def __init__(self, instruments: Instruments, *, concurrency: int = 64, backlog: int = 1024) -> None:
        self._instruments = instruments
        self._concurrency = concurrency
        self._backlog = backlog
        self._queue: deque[tuple[Step, Run]] = deque()
        self._active: set[Any] = set()
        self._idle: list[Waiter] = []

    def start(self, run: Run) -> None:
        """Run the sinks of a run that is over, those whose parents have data."""
        for step, needed in run.plan.sinks:
            if not all(run.state[parent] in WITH_DATA for parent in needed):
                continue
            if len(self._queue) >= self._backlog:
                self._tell("sink.dropped", step, run)
            else:
                self._queue.append((step, run))
                if len(self._active) < self._concurrency:
                    greenlet = spawn(self._work)
                    self._active.add(greenlet)
                    greenlet.rawlink(self._ended)  # also if it is killed before it starts

    def _work(self) -> None:
        while self._queue:
            step, run = self._queue.popleft()
            run.contextvars.copy().run(self._run, step, run)
        # At once, and not when the link is called: what is queued from here on needs somebody else.
        self._ended(getcurrent())

    def _run(self, step: Step, run: Run) -> None:
        seconds = step.timeout or TIMEOUT
        scope = Scope(run.context, after(seconds), node_id=step.id)
        SCOPE.set(scope)
        limit = Timeout(seconds)
        try:
            with limit:
                if step.when is None or run.apply(step.when, run.context):
                    run.apply(step.call, run.context)
        except (Exception, Timeout) as error:
            self._tell("sink.failed", step, run, error=error)
            log.warning("%s.%s failed after the answer: %r", run.plan.graph_id, step.id, error)
        finally:
            scope.closed = True

    def _tell(self, event: str, step: Step, run: Run, **more: Any) -> None:
        if self._instruments.active:
            self._instruments.emit(event, graph=run.plan.graph_id, node=step.id, **more)

    def _ended(self, greenlet: Any) -> None:
        self._active.discard(greenlet)
        if not self._active:
            waiters, self._idle = self._idle, []
            for waiter in waiters:
                get_hub().loop.run_callback(waiter.wake, True)

    def drain(self, timeout: float) -> bool:
        """Wait for the sinks at work, in seconds at most; those that take longer are killed. True if none was."""
        if not self._active:
            return True
        waiter = Waiter()
        self._idle.append(waiter)
        timer = get_hub().loop.timer(max(timeout, 0.0))
        timer.start(waiter.wake, False)
        try:
            drained = bool(waiter.wait())
        finally:
            timer.stop()
            timer.close()
        if not drained:
            self._queue.clear()
            for greenlet in tuple(self._active):
                greenlet.kill(block=False)
        return drained
