"""A call on its way, which nobody waits for: a callback of the loop takes the answer. See `runway.py`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fastdag.concurrency import GreenletExit
from fastdag.errors import UpstreamConnectError, UpstreamError
from fastdag.upstream.call import Call, Response
from fastdag.upstream.transport.connection import Connection
from fastdag.upstream.transport.host import HostPool

__all__ = ["About", "Flight", "Ground"]

#: The fields that the events of a call have in common.
About = Mapping[str, Any]


class Ground(Protocol):
    """Where a flight took off, and what it comes back to."""

    @property
    def name(self) -> str:
        """The upstream's."""

    def enter(self, flight: Flight, end: Response | BaseException) -> None:
        """Write into the books how the first attempt ended, and give back its slot."""

    def repeats(self, end: Response | UpstreamError) -> bool:
        """Whether there may be another attempt after one that ended so."""

    def conclude(self, flight: Flight, end: Response | UpstreamError, pool: HostPool) -> Response:
        """In a greenlet: a first attempt that failed. Ask again if that may help."""

    def tell_end(self, flight: Flight, end: Response | BaseException) -> None:
        """The call is over, with all its attempts."""


class Flight:
    """One call on its way. `on_landing(flight)` is called in the loop, once; then `result()` is what came of it.

    With `done`, `result` answers at once. Without, something went wrong, and it has to be called in a greenlet, since
    it may ask again. `cancel` drops the call; it may come at any time, and nothing else is called after it.
    """

    __slots__ = (
        "_connection", "_end", "_entered", "_on_landing", "_pool", "_runway",
        "about", "call", "done", "started", "total", "within",
    )  # fmt: skip

    def __init__(
        self,
        runway: Ground,
        call: Call,
        pool: HostPool,
        connection: Connection | None,
        started: float,
        within: Callable[..., Any] = operator.call,
        about: About | None = None,
    ) -> None:
        self._runway = runway
        self._pool = pool
        self._connection = connection
        #: `within(tell, *values)`: in the contextvars that the call was made in, where somebody might look into them.
        self.within = within
        self._end: Response | UpstreamError | None = None
        self._entered = False
        self._on_landing: Callable[[Flight], object] | None = None
        self.call = call
        self.started = started
        self.total = call.deadline
        self.about = about
        self.done = False

    def listen(self, on_landing: Callable[[Flight], object]) -> bool:
        """Say who is to be told; false if it is down already, and then nobody will be."""
        if self._connection is None:
            return False
        self._on_landing = on_landing
        self._connection.listen(self._news)
        return True

    def _news(self) -> None:
        """In the loop: something happened on the connection."""
        connection, on_landing = self._connection, self._on_landing
        if connection is None or on_landing is None:
            return
        if not connection.done:
            connection.listen(self._news)
            return
        self._on_landing = None
        self.touch_down(connection)
        on_landing(self)

    def touch_down(self, connection: Connection) -> None:
        """Take what the connection brought. Unless the connection was stale, it is entered in the books at once, as it
        would be if a greenlet had waited: the run may end in this turn of the loop."""
        self._connection = None
        runway, end = self._runway, None
        try:
            self._end = end = self._pool.land(connection, self.call, self.started)
        except UpstreamError as error:
            error.upstream = error.upstream or runway.name
            self._end = error
            if isinstance(error, UpstreamConnectError):
                return
        self._entered = True
        runway.enter(self, self._end)
        if (end is not None and end.status_code < 500) or not runway.repeats(self._end):
            self.done = True
            if self.about is not None:
                runway.tell_end(self, self._end)

    def result(self) -> Response:
        """The answer; or what the layers make of a failure, which may take its time."""
        end, self._end = self._end, None
        try:
            if not self.done:
                self.done = True
                return self._runway.conclude(self, end, self._pool)  # type: ignore[arg-type]
            if isinstance(end, Response):
                return end
            raise end  # type: ignore[misc]
        finally:
            del end  # an error knows this frame

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.drop(GreenletExit())

    def drop(self, why: BaseException) -> None:
        connection, self._connection, self._on_landing = self._connection, None, None
        self._end = None
        if connection is not None:
            connection.close("cancelled")
        if not self.done:
            self.done = True
            if not self._entered:
                self._runway.enter(self, why)
            self._runway.tell_end(self, why)
