"""The circuit breaker: an upstream that fails is left alone for a while, and its callers are answered at once.

               trip                    wait_over
    closed ------------> open ------------------------> half_open
      ^                   ^                              |     |
      |                   +------------ trip ------------+     |
      +--------------------------------- heal -----------------+

`trip` in closed: `consecutive` failures in a row, or a share of `rate` failures among at least `calls` calls within
`window` seconds. `trip` in half_open: the probe failed. `heal`: two probes in a row succeeded. One probe runs at a
time; its permit is given back on every way out. From every state, `force_open`, `force_closed` and `reset` lead to
forced_open, forced_closed and closed. What counts as a failure is in `verdict.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastdag.errors import UpstreamRejected
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.policies.checks import check_count, check_positive, check_share
from fastdag.upstream.policies.verdict import failed
from fastdag.upstream.policies.window import Window
from fastdag.upstream.site import Site

__all__ = ["CLOSED", "FORCED_CLOSED", "FORCED_OPEN", "HALF_OPEN", "OPEN", "TRANSITIONS", "Breaker", "Circuits"]

CLOSED = "closed"
OPEN = "open"
HALF_OPEN = "half_open"
FORCED_OPEN = "forced_open"
FORCED_CLOSED = "forced_closed"

STATES = (CLOSED, OPEN, HALF_OPEN, FORCED_OPEN, FORCED_CLOSED)

TRANSITIONS = {
    (CLOSED, "trip"): OPEN,
    (OPEN, "wait_over"): HALF_OPEN,
    (HALF_OPEN, "trip"): OPEN,
    (HALF_OPEN, "heal"): CLOSED,
    **{(state, "force_open"): FORCED_OPEN for state in STATES},
    **{(state, "force_closed"): FORCED_CLOSED for state in STATES},
    **{(state, "reset"): CLOSED for state in STATES},
}

_SUCCESSES = 2  # one may be luck
_PROBING = 1.0  # what is told to whoever meets a probe: it ends within an attempt


@dataclass(frozen=True, slots=True)
class Breaker:
    """Rejects calls to a host that fails, and asks it now and then, with one call, whether it works again.

    It opens after `consecutive` failures in a row, or when of at least `calls` calls within `window` seconds a share
    of `rate` failed. It stays open for `open` seconds, twice as long each time a probe fails, `max_open` at most,
    less up to a quarter by lot, so that workers do not probe all at once. A rejection is an `UpstreamRejected`
    with the reason `breaker_open` and `retry_after`.

    It stands below balancing, being per host, and below retry, so that every attempt is judged by itself; above the
    bulkhead, so that a rejection takes no slot.
    """

    calls: int = 20
    rate: float = 0.5
    window: float = 10.0
    consecutive: int = 5
    open: float = 5.0
    max_open: float = 60.0

    def __post_init__(self) -> None:
        check_count("calls", self.calls)
        check_share("rate", self.rate)
        check_positive("window", self.window)
        check_count("consecutive", self.consecutive)
        check_positive("open", self.open)
        check_positive("max_open", self.max_open)

    def bind(self, site: Site, send: Send) -> Send:
        return _Layer(self, site, send).send

    def circuits(self, site: Site) -> Circuits:
        """What is remembered of the site's hosts; the first to ask for it says for how long."""
        return site.keep("breaker", lambda: Circuits(site, self.window))


class Circuit:
    """The state of one host."""

    __slots__ = ("_site", "_span", "_successes", "_trips", "in_row", "probe", "state", "until", "url", "window")

    def __init__(self, site: Site, url: str, span: float) -> None:
        self._site = site
        self._span = span
        self.url = url
        self.state = CLOSED
        self.until = 0.0  # when an open one turns half-open
        self.probe: Call | None = None  # who holds the permit
        self._trips = 0
        self._begin()

    def _begin(self) -> None:
        self.in_row = 0
        self._successes = 0
        self.window = Window(self._span, self._site.clock())

    def go(self, event: str) -> None:
        """Change state, as the table says."""
        before, after = self.state, TRANSITIONS[self.state, event]
        self.state = after
        self.probe = None
        self._begin()
        if after == CLOSED:
            self._trips = 0
        if after in (CLOSED, FORCED_CLOSED):
            self._site.troubled.discard(self.url)
        else:
            self._site.troubled.add(self.url)
        instruments = self._site.instruments
        if instruments.active and after != before:
            name = self._site.name
            instruments.emit("breaker.changed", upstream=name, host=self.url, previous=before, state=after)

    def failure(self, options: Breaker) -> None:
        """In closed or half-open: one more call failed."""
        now = self._site.clock()
        self.window.count(now, marked=True)
        self.in_row += 1
        total, marked = self.window.recent(now)
        if (
            self.state == HALF_OPEN
            or self.in_row >= options.consecutive
            or (total >= options.calls and marked >= options.rate * total)
        ):
            seconds = min(options.max_open, options.open * 2.0 ** min(self._trips, 30))
            self.until = now + seconds * self._site.random.uniform(0.75, 1.0)
            self._trips += 1
            self.go("trip")

    def worked(self, now: float) -> None:
        """In closed: one more call was answered."""
        self.in_row = 0
        window = self.window  # `count`, on the path of every call
        if now >= window.edge:
            window.turn(now)
        window.total += 1

    def success(self) -> None:
        """In half-open: the probe was answered."""
        self._successes += 1
        if self._successes >= _SUCCESSES:
            self.go("heal")

    def wait(self) -> float | None:
        """For how many seconds a call would be rejected; `None` if it would not. An open one whose time is over
        turns half-open here."""
        now = self._site.clock()
        if self.state == OPEN:
            if now < self.until:
                return self.until - now
            self.go("wait_over")
        if self.state == HALF_OPEN:
            return None if self.probe is None else _PROBING
        return _PROBING if self.state == FORCED_OPEN else None

    def describe(self) -> dict[str, Any]:
        now = self._site.clock()
        calls, failures = self.window.recent(now)
        half_open_in = max(0.0, self.until - now) if self.state == OPEN else None
        return {
            "state": self.state,
            "calls": calls,
            "failures": failures,
            "in_row": self.in_row,
            "half_open_in": half_open_in,
        }


class Circuits:
    """The circuits of one upstream, by the URL of the host. Operators force them; `reset` gives them back."""

    __slots__ = ("by_url",)

    def __init__(self, site: Site, span: float) -> None:
        self.by_url = {host.url: Circuit(site, host.url, span) for host in site.hosts}

    def force_open(self) -> None:
        """Reject every call until `reset`."""
        self._all("force_open")

    def force_closed(self) -> None:
        """Let every call through, whatever happens, until `reset`."""
        self._all("force_closed")

    def reset(self) -> None:
        """Closed, with nothing remembered."""
        self._all("reset")

    def _all(self, event: str) -> None:
        for circuit in self.by_url.values():
            circuit.go(event)

    def describe(self) -> dict[str, Any]:
        return {url: circuit.describe() for url, circuit in self.by_url.items()}


class _Layer:
    __slots__ = ("_circuits", "_options", "_send", "_site")

    def __init__(self, options: Breaker, site: Site, send: Send) -> None:
        self._options = options
        self._site = site
        self._send = send
        self._circuits = options.circuits(site).by_url

    def send(self, call: Call) -> Response:
        circuit = self._circuits[call.host.url]  # type: ignore[union-attr]
        if circuit.state != CLOSED:
            return self._guarded(call, circuit)
        try:
            response = self._send(call)
        except BaseException as error:
            if circuit.state == CLOSED and failed(call, error, self._site.clock()):
                circuit.failure(self._options)
            raise
        if circuit.state == CLOSED:
            if response.status_code >= 500:
                circuit.failure(self._options)
            else:
                circuit.worked(self._site.clock())
        return response

    def _guarded(self, call: Call, circuit: Circuit) -> Response:
        seconds = circuit.wait()
        if seconds is not None:
            self._reject(circuit, seconds)
        if circuit.state != HALF_OPEN:
            return self._send(call)
        circuit.probe = call
        try:
            response = self._send(call)
        except BaseException as error:
            if circuit.probe is call and failed(call, error, self._site.clock()):
                circuit.failure(self._options)
            raise
        else:
            # Whoever forced or reset the circuit meanwhile took the permit away, and the answer counts for nothing.
            if circuit.probe is call:
                if response.status_code >= 500:
                    circuit.failure(self._options)
                else:
                    circuit.success()
            return response
        finally:
            if circuit.probe is call:
                circuit.probe = None

    def _reject(self, circuit: Circuit, seconds: float) -> None:
        site = self._site
        if site.instruments.active:
            site.instruments.emit("breaker.rejected", upstream=site.name, host=circuit.url, retry_after=seconds)
        message = f"the breaker is {circuit.state.replace('_', ' ')} for {circuit.url}"
        raise UpstreamRejected(message, upstream=site.name, reason="breaker_open", retry_after=seconds)
