"""The worker's one timer: it measures how late the loop runs, lets connections expire, and keeps the date."""

from __future__ import annotations

from fastdag.deadline import now
from fastdag.server.house import House

__all__ = ["Heartbeat"]

#: How often, in seconds; the resolution of every timeout of a connection.
INTERVAL = 0.05

#: Late by this much, the loop is lagging; for so long, and new requests are shed.
LATE = 0.1
PATIENCE = 1.0


class Heartbeat:
    """Beats as long as the loop turns. `last` is read by the watchdog, from another thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._late_since: float | None = None
        self._lag_before = 0.0
        self._timer = house.loop.timer(INTERVAL, INTERVAL)
        self.last = now()
        self._timer.start(self._beat)

    def _beat(self) -> None:
        instant = now()
        lag = instant - self.last - INTERVAL
        self.last = instant
        self._house.seat.beat(instant)
        self._measure(lag, instant)
        self._house.refresh_date()
        if lag < LATE:
            # After a blocked loop timers run before sockets are read: what seems to be late may have arrived. The
            # next beat is soon enough.
            self._expire(instant)

    def _measure(self, lag: float, instant: float) -> None:
        house = self._house
        # One late turn is an accident, and dropping what comes after it would not undo it; two in a row are a queue.
        house.pressure.lag = max(0.0, min(lag, self._lag_before))
        self._lag_before = lag
        if lag < LATE:
            self._late_since = None
            house.shedding = False
            return
        if self._late_since is None:
            self._late_since = instant
        house.shedding = instant - self._late_since > PATIENCE
        house.lagged(lag)

    def _expire(self, instant: float) -> None:
        for connection in list(self._house.connections):
            if connection.expires < instant:
                connection.expire()
            elif connection.half_closed:
                connection.look_for_reset()

    def stop(self) -> None:
        self._timer.stop()
        self._timer.close()
