"""What the layers of a stack do for a call that goes well, in one piece.

Most calls are the same: the breaker is closed, a slot is free, a connection is idle, and the answer comes in time.
Such a call is spared a frame per layer (`send`). It even needs nobody to wait for it: it is sent, and a callback of
the loop takes the answer, which spares a greenlet and its switches (`start`). Whatever is not so from the start goes
through the layers. Whatever goes wrong on the way is brought to its end in a greenlet: a fresh connection for a stale
one, further attempts.

The layers stay the ones that decide. Here is no rule of their own: what they remember and what they allot is theirs,
and `tests/upstream/test_runway.py` and `test_flight.py` compare what both ways leave behind.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

from fastdag.concurrency import Timeout, get_hub
from fastdag.deadline import earliest
from fastdag.errors import UpstreamConnectError, UpstreamError
from fastdag.events import TOGETHER
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.flight import About, Flight
from fastdag.upstream.policies.attempt import Attempt, Attempts
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import CLOSED, Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead, Slots
from fastdag.upstream.policies.retry import Retry, Retrying
from fastdag.upstream.policies.total import Total
from fastdag.upstream.policies.verdict import failed, worth_another
from fastdag.upstream.site import Policy, Site
from fastdag.upstream.transport.connection import Connection
from fastdag.upstream.transport.host import HostPool
from fastdag.upstream.transport.native import NativeTransport
from fastdag.upstream.transport.process import PROCESS

__all__ = ["Runway"]

Policies = Mapping[str, Policy | None]

# Where attempts that ended wait to be counted (`Gathered`), and those of its lists that were used here, by what
# differs from one first attempt to the next. They may be kept, since none is ever taken out of its heap.
_Heap = dict[tuple[Any, ...], list[float]]
_Found = dict[tuple[str, int], list[float]]

#: What a policy may be for calls to fly. One that is not in here keeps them on the ground.
_KNOWN: dict[str, tuple[type, ...]] = {
    "timeout": (Total,),
    "retry": (Retry, type(None)),
    "balance": (Balance,),
    "breaker": (Breaker, type(None)),
    "bulkhead": (Bulkhead, type(None)),
    "attempt": (Attempt,),
}


class Runway:
    """Where the calls of one stack take off, if they can. Made by `Runway.of`."""

    __slots__ = (
        "_attempts", "_breaker", "_calls", "_circuit", "_clock", "_ended", "_host", "_instruments", "_limit", "_pool",
        "_retrying", "_slots", "_timeout", "_transport", "name",
    )  # fmt: skip

    def __init__(self, site: Site, transport: NativeTransport, policies: Policies, below_retry: Send) -> None:
        retry, breaker, bulkhead = policies["retry"], policies["breaker"], policies["bulkhead"]
        self.name = site.name
        self._clock = site.clock
        self._timeout = site.timeout
        self._instruments = site.instruments
        self._ended: tuple[_Heap | None, _Found] = None, {}
        self._host = site.hosts[0]
        self._transport = transport
        self._pool: HostPool | None = None  # the transport's for this host, as it was last asked for
        self._attempts = Attempts(site, transport.send)
        self._retrying = Retrying(retry, site, below_retry) if isinstance(retry, Retry) else None
        self._calls = self._retrying.calls if self._retrying else None
        self._breaker = breaker if isinstance(breaker, Breaker) else None
        self._circuit = None if self._breaker is None else self._breaker.circuits(site).by_url[self._host.url]
        self._limit = bulkhead.limit if isinstance(bulkhead, Bulkhead) else 0
        self._slots = site.keep("bulkhead", Slots) if self._limit else None

    @classmethod
    def of(cls, site: Site, policies: Policies, below_retry: Send) -> Runway | None:
        """The runway of a stack, if it has nothing but what is known here."""
        # Not `isinstance`: whoever derives from one of them wants to be asked.
        known = all(type(policy) in _KNOWN.get(name, (type(None),)) for name, policy in policies.items())
        transport = site.transport
        if known and len(site.hosts) == 1 and type(transport) is NativeTransport:
            return cls(site, transport, policies, below_retry)
        return None

    def send(self, call: Call) -> Response | None:
        """Send a call for a caller who waits; `None` if it has to go through the layers, and is as it was."""
        if "attempt" in self._instruments.heard:
            return None
        cleared = self._clear(call)
        if cleared is None:
            return None
        pool, connection, now = cleared
        total = call.deadline
        try:
            try:
                self._attempts.allot(call, now)
                pool.launch(connection, call, now)
                connection.wait()
            except BaseException:
                connection.close("cancelled")
                raise
            response = pool.land(connection, call, now)
        except BaseException as error:
            return self._astray(call, error, pool, now, total)
        if response.status_code >= 500:
            return self._astray(call, response, pool, now, total)
        self._give_back(call, total)
        if self._circuit is not None and self._circuit.state == CLOSED:
            self._circuit.worked(self._clock())
        return response

    def start(self, call: Call, about: About | None) -> Flight | None:
        """Send a call that nobody waits for; `None` if it has to go through the layers, and is as it was. `about` is
        what is told of its start and its end."""
        cleared = self._clear(call)
        if cleared is None:
            return None
        pool, connection, now = cleared
        instruments = self._instruments
        mapped = "attempt" in instruments.mapped or "call" in instruments.mapped
        flight = Flight(self, call, pool, connection, now, copy_context().run if mapped else operator.call, about)
        try:
            self._attempts.allot(call, now)
            if about is not None or "attempt.started" in instruments.heard:
                flight.within(self._tell_start, flight)
            pool.launch(connection, call, now)
        except BaseException as error:
            if isinstance(error, UpstreamError):
                error.upstream = error.upstream or self.name
            flight.drop(error)
            raise
        if connection.done:  # it was lost at once
            flight.touch_down(connection)
        return flight

    def _clear(self, call: Call) -> tuple[HostPool, Connection, float] | None:
        """What a call needs to take off: a pool, a connection of it, and the time from now on. The call has a slot and
        its deadline, and counts as one. `None` if anything is not as it mostly is; then nothing was changed."""
        if call.body is not None or not call.idempotent or call.stream or call.timeout is not None or call.options:
            return None
        circuit, slots, pool = self._circuit, self._slots, self._pool
        if circuit is not None and circuit.state != CLOSED:
            return None
        if pool is None or pool.hub is not get_hub() or pool.pid != PROCESS.pid or pool.retired:
            pool = self._pool = self._transport.pool(self._host)
            if pool is None:
                return None
        now, total = self._clock(), call.deadline
        if self._timeout is not None:
            total = earliest(total, now + self._timeout)
        if total is not None and total <= now:
            return None
        if slots is not None:
            if slots.in_flight >= self._limit or slots.waiting:
                return None
            slots.in_flight += 1
        connection = None
        try:
            connection = pool.take(now)
        finally:  # also if this greenlet is killed: what is told of a connection that is dropped may block
            if connection is None and slots is not None:
                slots.release()
        if connection is None:
            return None
        calls = self._calls
        if calls is not None:  # `count`, on the path of every call
            if now >= calls.edge:
                calls.turn(now)
            calls.total += 1
        call.deadline, call.host = total, self._host
        return pool, connection, now

    def repeats(self, end: Response | UpstreamError) -> bool:
        """Whether there may be another attempt after one that ended so."""
        if self._retrying is None or (isinstance(end, Response) and end.status_code < 500):
            return False
        return worth_another(end)

    def enter(self, flight: Flight, end: Response | BaseException) -> None:
        """Write into the books how the first attempt ended, and give back its slot."""
        call, circuit, now = flight.call, self._circuit, self._clock()
        try:
            if "attempt.ended" in self._instruments.heard:
                heap, found = self._ended
                if heap is not self._instruments.heaps["attempt.ended"]:
                    heap, found = self._ended = self._instruments.heaps["attempt.ended"], {}
                alike = found.get((call.method, end.status_code)) if isinstance(end, Response) else None
                if alike is None or len(alike) >= TOGETHER - 1:  # it is told of, and so are those that wait
                    self._tell_attempt(flight, end, now - flight.started, heap, found)
                else:
                    alike.append(now - flight.started)
        finally:  # also if somebody who is told blocks, and is killed
            self._give_back(call, flight.total)
        if circuit is not None and circuit.state == CLOSED:
            if isinstance(end, Response) and end.status_code < 500:
                circuit.worked(now)
            elif isinstance(end, Response) or failed(call, end, now):
                circuit.failure(self._breaker)  # type: ignore[arg-type]

    def _tell_attempt(
        self, flight: Flight, end: Response | BaseException, elapsed: float, heap: _Heap | None, found: _Found
    ) -> None:
        call, (status, reason) = flight.call, _told(end)
        if heap is None or not isinstance(end, Response):
            flight.within(self._attempts.tell_end, call, status, reason, elapsed)
            return
        self._attempts.tell_end(call, status, reason, elapsed)
        alike = heap.get((self.name, self._host.url, call.method, call.attempt, status, reason))
        if alike is not None:
            found[call.method, status] = alike

    def _give_back(self, call: Call, total: float | None) -> None:
        """After the first attempt: its slot, and to the call its own deadline."""
        call.deadline, call.promise = total, None
        slots = self._slots
        if slots is not None:  # `release`, on the path of every call
            slots.in_flight -= 1
            if slots.waiting:
                slots.call_next()

    def conclude(self, flight: Flight, end: Response | UpstreamError, pool: HostPool) -> Response:
        """In a greenlet: a first attempt that failed. Ask again if that may help."""
        call = flight.call
        try:
            if isinstance(end, UpstreamConnectError):  # nobody sees that an idle connection was closed
                try:
                    end = pool.send_afresh(call, flight.started)
                except UpstreamError as error:
                    end = error
                except BaseException as killed:
                    if isinstance(killed, Timeout):
                        self._attempts.blame(call, flight.started)
                    self.enter(flight, killed)
                    raise
                self.enter(flight, end)
            if self._retrying is not None and self.repeats(end):
                end = self._retrying.again(call, end)
            if isinstance(end, Response):
                self.tell_end(flight, end)
                return end
            raise end
        except BaseException as error:
            if isinstance(error, UpstreamError):
                error.upstream = error.upstream or self.name
            self.tell_end(flight, error)
            raise
        finally:
            del end  # an error knows this frame; if the frame knew it, both would wait for the garbage collector

    def _astray(
        self, call: Call, end: Response | BaseException, pool: HostPool, now: float, total: float | None
    ) -> Response:
        """A first attempt that failed while its caller waited: the same as with a flight."""
        flight = Flight(self, call, pool, None, now)
        flight.total = total
        try:
            if isinstance(end, Timeout):
                self._attempts.blame(call, now)
            if not isinstance(end, UpstreamConnectError):
                self.enter(flight, end)
            if isinstance(end, (Response, UpstreamError)):
                return self.conclude(flight, end, pool)
            raise end
        finally:
            del end  # as in `conclude`

    def _tell_start(self, flight: Flight) -> None:
        instruments = self._instruments
        if flight.about is not None:
            instruments.emit("call.started", **flight.about)
        if "attempt.started" in instruments.heard:
            self._attempts.tell_start(flight.call)

    def tell_end(self, flight: Flight, end: Response | BaseException) -> None:
        """The call is over, with all its attempts."""
        about = flight.about
        if about is not None:
            status, reason = _told(end)
            elapsed = self._clock() - flight.started
            emit = self._instruments.emit
            flight.within(lambda: emit("call.ended", **about, status=status, reason=reason, elapsed=elapsed))


def _told(end: Response | BaseException) -> tuple[int, str]:
    """Status and reason, as events have them."""
    if isinstance(end, Response):
        return end.status_code, ""
    return 0, end.reason if isinstance(end, UpstreamError) else "cancelled"
