"""`VirtualClock`: the time by which an upstream's policies go, moved ahead without waiting.

The loop, sockets and the deadlines of runs go by real time, so a virtual instant is real time plus an offset. A
deadline gets the offset on its way into the stack, and loses it where the transport waits for an answer: what was
skipped between the two is gone for the call, too.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType

from fastdag.testing.stacking import restacked
from fastdag.upstream.call import Call, Response, Transport
from fastdag.upstream.client import Upstream
from fastdag.upstream.stack import Stack

__all__ = ["VirtualClock"]


class VirtualClock:
    """Time for the policies of some upstreams; it runs like the real one, and can be moved ahead.

        with VirtualClock(catalog) as clock:
            ...                                 # five failures: the breaker opens
            clock.advance(5.0)                  # and may be probed

    Breakers, caches, budgets, windows and ejected hosts go by it, and pauses between attempts take no real time: they
    move the clock, and are in `slept`. What waits for a socket waits for real: the timeouts of attempts, calls, nodes
    and runs, a hedge's delay, and the queue of a bulkhead. The upstreams' policies start from nothing, and have
    their own state back at the end of the block, or when `undo` is closed, if one is given.
    """

    def __init__(self, *upstreams: Upstream, undo: ExitStack | None = None) -> None:
        self.offset = 0.0
        self.slept: list[float] = []
        self._upstreams = upstreams
        self._undo = undo or ExitStack()

    def __call__(self) -> float:
        """The instant, on the scale of the monotonic clock."""
        return time.monotonic() + self.offset

    def wall(self) -> float:
        """The calendar's time, which HTTP dates are compared with."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move ahead."""
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds!r}")
        self.offset += seconds

    def sleep(self, seconds: float) -> None:
        """What policies call to pause."""
        self.slept.append(seconds)
        self.advance(seconds)

    def attach(self, *upstreams: Upstream) -> None:
        """Let upstreams go by this clock from now on."""
        for upstream in upstreams:
            transport = _RealTime(self, upstream.stack.site.transport)
            changes = {"clock": self, "wall": self.wall, "sleep": self.sleep, "transport": transport}
            self._undo.enter_context(restacked(upstream, _Ahead, **changes))

    def __enter__(self) -> VirtualClock:
        self.attach(*self._upstreams)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._undo.close()

    def __repr__(self) -> str:
        return f"<VirtualClock {self.offset:+.3f} s>"


class _Ahead(Stack):
    """A stack whose callers' deadlines are instants of the real clock."""

    __slots__ = ()

    def send(self, call: Call) -> Response:
        clock = self.site.clock
        if call.deadline is not None and isinstance(clock, VirtualClock):
            call.deadline += clock.offset
        return super().send(call)


class _RealTime:
    """A transport whose calls' deadlines are instants of the virtual clock."""

    def __init__(self, clock: VirtualClock, transport: Transport) -> None:
        self._clock = clock
        self._transport = transport

    def send(self, call: Call) -> Response:
        deadline = call.deadline
        if deadline is not None:
            call.deadline = deadline - self._clock.offset
        try:
            return self._transport.send(call)
        finally:
            call.deadline = deadline

    def close(self) -> None:
        self._transport.close()
