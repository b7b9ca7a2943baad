"""Balancing over the hosts of one upstream, and keeping away from those that fail."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any

from fastdag.errors import UpstreamRejected
from fastdag.upstream.call import Call, Host, Response, Send
from fastdag.upstream.policies.verdict import failed
from fastdag.upstream.site import Site

__all__ = ["Balance", "Fleet", "Place"]

_MEMORY = 10.0  # seconds after which an old latency counts a third
_IN_ROW = 5  # failures in a row that eject a host
_AWAY = 5.0  # seconds, twice as long each time
_LONGEST = 60.0
_AVOIDED = 1.0  # seconds after a failure in which others are asked first: failing fast is not being fast


@dataclass(frozen=True, slots=True)
class Balance:
    """Chooses the host of each attempt: of two, drawn by lot, the one with the lower load.

    The load of a host is its latency (an average that forgets, and that rises at once) times its calls in flight.
    Two random choices are nearly as good as looking at all hosts, and do not send everybody to the same one
    (Mitzenmacher, "The Power of Two Choices"). For a second after a failure a host loses against one without, but a
    failure is no latency: that would be remembered for a minute. Five failures in a row eject a host for 5 seconds,
    twice as long each time, 60 at most; the last one left is never ejected. A host that an earlier attempt used comes
    last, and so does one whose breaker rejects the call: the next is asked instead.

    It stands below retry and hedge, so that each attempt gets another host, and above the breaker, which is per host.
    """

    def bind(self, site: Site, send: Send) -> Send:
        if len(site.hosts) == 1:
            return _Only(site.hosts[0], send).send
        return _Layer(site, send).send


class Place:
    """What is known about one host."""

    __slots__ = ("at", "avoided", "back", "ejections", "host", "in_flight", "in_row", "latency")

    def __init__(self, host: Host, now: float) -> None:
        self.host = host
        self.latency = 0.0
        self.at = now  # when the latency was last seen
        self.in_flight = 0
        self.in_row = 0
        self.avoided = now  # until when others are asked first
        self.ejections = 0
        self.back: float | None = None  # when an ejected one comes back

    def load(self, now: float) -> float:
        """How long a call would take here, more or less. An old latency fades, or nobody would try again."""
        return self.latency * exp((self.at - now) / _MEMORY) * (self.in_flight + 1)

    def saw(self, seconds: float, now: float) -> None:
        """One more latency. A higher one counts at once, a lower one by and by (Finagle's peak EWMA)."""
        old = self.latency * exp((self.at - now) / _MEMORY)
        self.latency = seconds if seconds > old else old + (seconds - old) * 0.3
        self.at = now


class Fleet:
    """The hosts of one upstream."""

    __slots__ = ("_site", "places")

    def __init__(self, site: Site) -> None:
        self._site = site
        self.places = [Place(host, site.clock()) for host in site.hosts]

    def order(self, tried: tuple[Host, ...], now: float) -> list[Place]:
        """All hosts, the one to ask first at the front."""
        here = [place for place in self.places if place.back is None or self._returned(place, now)]
        fresh = [place for place in here if place.host not in tried] or here
        first = fresh[0]
        if len(fresh) > 1:
            one, other = self._site.random.sample(fresh, 2)
            first = one if self._rank(one, now) <= self._rank(other, now) else other
        rest = [place for place in self.places if place is not first]
        rest.sort(key=lambda place: (place.back is not None, place.host in tried, self._rank(place, now)))
        return [first, *rest]

    def _rank(self, place: Place, now: float) -> tuple[bool, float, int]:
        return now < place.avoided, place.load(now), place.in_flight

    def _returned(self, place: Place, now: float) -> bool:
        if place.back is None or now < place.back:
            return False
        place.back = None
        place.in_row = 0
        self._tell("host.returned", place)
        return True

    def worked(self, place: Place, seconds: float, now: float) -> None:
        place.saw(seconds, now)
        place.in_row = 0
        if place.back is None:
            place.ejections = 0

    def failed(self, place: Place, now: float) -> None:
        place.avoided = now + _AVOIDED
        place.in_row += 1
        if place.in_row >= _IN_ROW and place.back is None and sum(one.back is None for one in self.places) > 1:
            away = min(_LONGEST, _AWAY * 2.0 ** min(place.ejections, 10))
            place.ejections += 1
            place.back = now + away
            self._tell("host.ejected", place, seconds=away)

    def _tell(self, event: str, place: Place, **more: Any) -> None:
        instruments = self._site.instruments
        if instruments.active:
            instruments.emit(event, upstream=self._site.name, host=place.host.url, **more)

    def describe(self) -> dict[str, Any]:
        now = self._site.clock()
        return {
            place.host.url: {
                "in_flight": place.in_flight,
                "latency": place.latency,
                "ejected_for": None if place.back is None else max(0.0, place.back - now),
            }
            for place in self.places
        }


class _Only:
    """Where there is nothing to choose."""

    __slots__ = ("_host", "_send")

    def __init__(self, host: Host, send: Send) -> None:
        self._host = host
        self._send = send

    def send(self, call: Call) -> Response:
        call.host = self._host
        return self._send(call)


class _Layer:
    __slots__ = ("_fleet", "_send", "_site")

    def __init__(self, site: Site, send: Send) -> None:
        self._site = site
        self._send = send
        self._fleet = site.keep("balance", lambda: Fleet(site))

    def send(self, call: Call) -> Response:
        *others, last = self._fleet.order(call.tried, self._site.clock())
        for place in others:
            try:
                return self._ask(place, call)
            except UpstreamRejected as error:
                if error.reason != "breaker_open":
                    raise
        return self._ask(last, call)

    def _ask(self, place: Place, call: Call) -> Response:
        clock, fleet = self._site.clock, self._fleet
        start = clock()
        call.host = place.host
        call.tried = (*call.tried, place.host)
        place.in_flight += 1
        try:
            response = self._send(call)
        except BaseException as error:
            now = clock()
            if failed(call, error, now):
                fleet.failed(place, now)
            raise
        finally:
            place.in_flight -= 1
        now = clock()
        if response.status_code >= 500:
            fleet.failed(place, now)
        else:
            fleet.worked(place, now - start, now)
        return response
