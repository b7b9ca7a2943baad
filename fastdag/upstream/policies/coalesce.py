"""Coalescing: callers that ask the same at the same time share one call."""

from __future__ import annotations

from collections import deque
from copy import copy
from dataclasses import dataclass
from typing import Any

from fastdag.concurrency import Waiter, get_hub, wait_at_most
from fastdag.deadline import earliest
from fastdag.errors import UpstreamError, UpstreamTimeout
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.policies.identity import copy_of, key_of
from fastdag.upstream.site import Site

__all__ = ["Coalesce", "Flights"]

Key = tuple[Any, str, str]  # the hub the callers wait in, and what `key_of` says

_LEAD = object()  # what a follower is woken with when it is its turn to call
_LATE = object()
_CLOCK_SLACK = 0.002  # a timer may fire that much before the clock says so


@dataclass(frozen=True, slots=True)
class Coalesce:
    """The first of several identical GETs and HEADs leads and calls; the others follow, and get a copy of its answer.

    Identical means the same key as in the cache: method, target and all headers. A follower keeps its own deadline,
    counted from when it came. The leader's answer or error is everybody's, unless it is the leader's alone: if it
    is cancelled, or if its own caller's time is up, the next follower leads.

    It stands below the cache, which needs no call at all, and above the total timeout, so that each keeps its own.
    """

    def bind(self, site: Site, send: Send) -> Send:
        return _Layer(site, send).send


class Flights:
    """The calls in flight that others may join: by the hub they belong to, and their key."""

    __slots__ = ("by_key", "joined")

    def __init__(self) -> None:
        self.by_key: dict[Key, deque[Waiter]] = {}
        self.joined = 0

    def land(self, key: Key, end: Response | UpstreamError) -> None:
        """In the hub: everybody gets a copy."""
        for follower in self.by_key.pop(key):
            follower.wake(copy_of(end) if isinstance(end, Response) else end)

    def hand_over(self, key: Key) -> None:
        """In the hub: the next who still waits leads."""
        followers = self.by_key[key]
        while followers:
            if followers.popleft().wake(_LEAD):
                return
        del self.by_key[key]

    def describe(self) -> dict[str, Any]:
        return {"flights": len(self.by_key), "joined": self.joined}


class _Layer:
    __slots__ = ("_flights", "_send", "_site")

    def __init__(self, site: Site, send: Send) -> None:
        self._site = site
        self._send = send
        self._flights = site.keep("coalesce", Flights)

    def send(self, call: Call) -> Response:
        if call.method not in ("GET", "HEAD") or call.body is not None or call.stream:
            return self._send(call)
        key = (get_hub(), *key_of(call))
        followers = self._flights.by_key.get(key)
        if followers is None:
            self._flights.by_key[key] = deque()
            return self._lead(call, key)
        return self._follow(call, key, followers)

    def _lead(self, call: Call, key: Key) -> Response:
        own = self._own_deadline(call, None)
        flights, run_callback = self._flights, key[0].loop.run_callback
        try:
            response = self._send(call)
        except UpstreamError as error:
            alone = isinstance(error, UpstreamTimeout) and own is not None
            if alone and self._site.clock() >= own - _CLOCK_SLACK:  # type: ignore[operator]
                run_callback(flights.hand_over, key)
            else:
                run_callback(flights.land, key, error)
            raise
        except BaseException:
            run_callback(flights.hand_over, key)
            raise
        run_callback(flights.land, key, response)
        return copy_of(response) if flights.by_key[key] else response

    def _follow(self, call: Call, key: Key, followers: deque[Waiter]) -> Response:
        site = self._site
        self._flights.joined += 1
        deadline = self._own_deadline(call, site.timeout)
        waiter = Waiter()
        followers.append(waiter)
        end = waiter.wait() if deadline is None else wait_at_most(waiter, deadline - site.clock(), _LATE)
        if end is _LEAD:
            call.deadline = deadline
            return self._lead(call, key)
        if end is _LATE:
            raise UpstreamTimeout("the time was up before the call that was joined ended", upstream=site.name)
        if isinstance(end, UpstreamError):
            raise copy(end) from end  # raising writes into an exception, so everybody has one of their own
        response: Response = end
        return response

    def _own_deadline(self, call: Call, usual: float | None) -> float | None:
        """Until when this caller waits: as `Total` will say, which stands below."""
        seconds = usual if call.timeout is None else call.timeout
        return earliest(call.deadline, None if seconds is None else self._site.clock() + seconds)
