"""Many calls inside one node: run like the nodes of a graph, and at most so many of them at once.

The node's own greenlet makes the calls one after another. Before each, while more are left, it has the loop start
one more greenlet on the rest, soon; if the call does not block, that one finds nothing to do. See `engine.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from fastdag.concurrency import Waiter, breathe, getcurrent
from fastdag.context import SCOPE
from fastdag.deadline import now
from fastdag.ledger import PENDING
from fastdag.workers import Cancelled

__all__ = ["Fan"]

SLICE = 0.005


class Fan:
    """`count` calls `call(i)`; `go` returns when all have ended, with `results` and `errors` by `i`.

    `stop_on_error`: after an error no further call starts, and those in flight are interrupted.
    """

    def __init__(self, call: Callable[[int], Any], count: int, concurrency: int, *, stop_on_error: bool) -> None:
        scope = SCOPE.get()
        self.call = call
        self.count = count
        self.concurrency = concurrency
        self.stop_on_error = stop_on_error
        self.results: list[Any] = [None] * count
        self.errors: dict[int, BaseException] = {}
        self.next = 0
        self.active = 0  # greenlets at work; one that is parked is not
        self.members: dict[Any, int] = {}  # greenlet -> the call it is at
        self.stopping = False
        self.breathing = False
        self.relaying = False
        self.run: Any = scope.run if scope is not None else None
        self.contextvars = copy_context()
        self.finished = Waiter()
        self.returning: deque[Waiter] = deque()  # were parked, and wait for a place

    def go(self) -> None:
        """Make all calls; returns when the last of them has ended."""
        if self.run is None:
            raise RuntimeError("calls per element are made inside a run; use graph.run")
        self.node = self.run.node_of(getcurrent())
        if self.node is None:  # a greenlet of the user's own: nobody could interrupt the others
            self.concurrency = 1
        try:
            self.work()
            if self.members:
                self.finished.wait()
        except BaseException:
            self._stop()
            raise

    def runnable(self) -> bool:
        """Whether something could go on right now."""
        return self.relaying or (self.active < self.concurrency and (self.next < self.count or bool(self.returning)))

    def work(self) -> None:
        """Make calls until none is left."""
        me = getcurrent()
        self.active += 1
        self.members[me] = -1
        self.run.take_work_from(self)
        try:
            self._work_off(me)
        finally:
            del self.run.sources[me]
            del self.members[me]
            self._give_place()
            if not self.members:
                self.run.hub.loop.run_callback(self.finished.wake)

    def _work_off(self, me: Any) -> None:
        own, loop, results, call = self.contextvars.copy, self.run.hub.loop, self.results, self.call
        turn, breathe_at = loop.iteration, now() + SLICE
        while self.next < self.count:
            i = self.next
            self.next = i + 1
            if not self.relaying and self.next < self.count and self.active < self.concurrency:
                self.relaying = True
                loop.run_callback(self._relay)
            self.members[me] = i
            try:
                results[i] = own().run(call, i)
            except BaseException as error:
                if self._over():
                    raise
                self._failed(i, error)
            if not i % 8 and now() >= breathe_at:
                if loop.iteration == turn:
                    self.breathing = True
                    breathe()
                    self.breathing = False
                turn, breathe_at = loop.iteration, now() + SLICE

    def _over(self) -> bool:
        return bool(self.run.over or (self.node is not None and self.run.state[self.node] != PENDING))

    def _failed(self, i: int, error: BaseException) -> None:
        if isinstance(error, Cancelled) and self.stopping:
            return
        self.errors[i] = error
        if self.stop_on_error:
            self._stop()

    def _stop(self) -> None:
        self.next = self.count
        self.stopping = True
        for member, i in self.members.items():
            if member is not getcurrent():
                self.run.hub.loop.run_callback(self._interrupt, member, i)

    def _interrupt(self, member: Any, i: int) -> None:
        """In the hub: a call that nobody needs any more."""
        if self.members.get(member) == i:
            member.throw(Cancelled())

    def _relay(self) -> None:
        """In the hub: one more greenlet, if there is something left to do."""
        self.relaying = False
        if self.next < self.count and self.active < self.concurrency and not (self.breathing or self._over()):
            self.run.assist(self.node, self.work)

    # -- a call that waits for a batch is no call in flight: it gives its place away meanwhile

    def park(self, wait: Callable[[], Any]) -> Any:
        """Wait for something that others in this fan may have to bring about."""
        self._give_place()
        if not self.relaying and self.next < self.count:
            self.relaying = True
            self.run.hub.loop.run_callback(self._relay)
        try:
            value = wait()
        except BaseException:
            self.active += 1  # it ends, and gives its place back then
            raise
        self._take_place()
        return value

    def _give_place(self) -> None:
        self.active -= 1
        if self.returning and self.active < self.concurrency:
            self.active += 1  # on behalf of the one that is woken, so that nobody takes it meanwhile
            self.run.hub.loop.run_callback(self.returning.popleft().wake)

    def _take_place(self) -> None:
        if self.active < self.concurrency:
            self.active += 1
        else:
            waiter = Waiter()
            self.returning.append(waiter)
            waiter.wait()
