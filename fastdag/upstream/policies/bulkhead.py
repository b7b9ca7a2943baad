"""The bulkhead: one slow upstream does not fill the ship."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastdag.concurrency import Waiter, get_hub, wait_at_most
from fastdag.errors import UpstreamRejected, UpstreamTimeout
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.policies.checks import check_count, check_positive
from fastdag.upstream.site import Site

__all__ = ["Bulkhead", "Slots"]


@dataclass(frozen=True, slots=True)
class Bulkhead:
    """At most `limit` calls to an upstream are in flight per worker; more wait for `wait` seconds, then are rejected.

    An upstream that hangs holds every call until its timeout. Without a bound they pile up and take memory,
    connections and the loop's time from routes that never asked that upstream. `queue` bounds how many may wait
    (`None`: any number, the wait bounds it). A rejection is an `UpstreamRejected` with the reason `bulkhead_full`.

    It stands below the breaker, which rejects without taking a slot, and above the attempt timeout, whose clock must
    not run while a call waits for its slot.
    """

    limit: int = 256
    queue: int | None = None
    wait: float = 0.1

    def __post_init__(self) -> None:
        check_count("limit", self.limit)
        if self.queue is not None:
            check_count("queue", self.queue, least=0)
        check_positive("wait", self.wait, zero=True)

    def bind(self, site: Site, send: Send) -> Send:
        return _Layer(self, site, send).send


class Slots:
    """The slots of one upstream that are taken, and who waits for one, first come first served."""

    __slots__ = ("in_flight", "rejected", "waiting")

    def __init__(self) -> None:
        self.in_flight = 0
        self.rejected = 0
        self.waiting: dict[Waiter, tuple[Any, int]] = {}  # the waiter's own hub, and the limit it waits for

    def release(self) -> None:
        self.in_flight -= 1
        if self.waiting:
            self.call_next()

    def wait(self, limit: int, seconds: float) -> bool:
        """Wait for a slot; true if there was one, and then it is taken."""
        waiter = Waiter()
        self.waiting[waiter] = (get_hub(), limit)
        try:
            return bool(wait_at_most(waiter, seconds, False))
        finally:
            self.waiting.pop(waiter, None)

    def call_next(self) -> None:
        """Somebody waits and a slot may be free: have the first woken, in the loop it belongs to."""
        hub, limit = next(iter(self.waiting.values()))
        if self.in_flight < limit:
            hub.loop.run_callback_threadsafe(self._grant, hub)

    def _grant(self, mine: Any) -> None:
        """In the hub. The slot is taken before the waiter is switched to, so that nobody comes in between.

        Whoever waits is there to be woken: one that is killed, or late, is switched to and leaves at once.
        """
        if self.waiting:
            waiter, (hub, limit) = next(iter(self.waiting.items()))
            if hub is mine and self.in_flight < limit:
                del self.waiting[waiter]
                self.in_flight += 1
                waiter.wake(True)
        if self.waiting:  # another slot may be free, or the first may belong to another loop
            self.call_next()

    def describe(self) -> dict[str, Any]:
        return {"in_flight": self.in_flight, "waiting": len(self.waiting), "rejected": self.rejected}


class _Layer:
    __slots__ = ("_limit", "_options", "_send", "_site", "_slots")

    def __init__(self, options: Bulkhead, site: Site, send: Send) -> None:
        self._options = options
        self._limit = options.limit
        self._site = site
        self._send = send
        self._slots = site.keep("bulkhead", Slots)

    def send(self, call: Call) -> Response:
        slots = self._slots
        if slots.in_flight < self._limit and not slots.waiting:
            slots.in_flight += 1
        else:
            self._wait(call)
        try:
            return self._send(call)
        finally:
            slots.release()

    def _wait(self, call: Call) -> None:
        """Come back with a slot, or not at all."""
        options, site, slots = self._options, self._site, self._slots
        left = None if call.deadline is None else call.deadline - site.clock()
        call.early = True  # until it has a slot the host is not asked, and not to blame, whatever ends the wait
        if options.wait and (options.queue is None or len(slots.waiting) < options.queue):
            if left is not None and left < options.wait:
                if slots.wait(options.limit, left):
                    return
                raise UpstreamTimeout("the time was up before there was a slot for the call", upstream=site.name)
            if slots.wait(options.limit, options.wait):
                return
        slots.rejected += 1
        if site.instruments.active:
            site.instruments.emit("bulkhead.rejected", upstream=site.name, **slots.describe())
        message = f"{slots.in_flight} calls are in flight and {len(slots.waiting)} wait; the limit is {options.limit}"
        raise UpstreamRejected(message, upstream=site.name, reason="bulkhead_full", retry_after=1.0)
