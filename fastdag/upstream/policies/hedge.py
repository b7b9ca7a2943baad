"""Hedging: when an answer is late, ask once more, and take the first that comes.

Cuts the tail of the latencies for a few per cent of extra load (Dean and Barroso, "The Tail at Scale"; gRPC A6).
"""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from fastdag.concurrency import Waiter, get_hub, spawn, wait_at_most
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.policies.budget import Budget
from fastdag.upstream.policies.checks import check_positive, check_share
from fastdag.upstream.policies.verdict import good, worth_another
from fastdag.upstream.policies.window import Window
from fastdag.upstream.site import Site

__all__ = ["Hedge", "Latencies"]

_KEPT = 200
_ENOUGH = 20  # latencies that must be known before there is a p95
_SORT_EVERY = 16


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second attempt beside the first, `after` that many seconds, or once 95 of 100 calls would have been answered.

    `after="p95"` is live: of the last 200 answers, and there is no hedge before there are 20. The first good answer
    (anything below 500) wins; the other attempt is killed and its connection closed. A first attempt that fails
    without having been answered is followed by the second at once. Only GET, one hedge per call, at most a share of
    `extra` of the calls in ten seconds (or one), each drawn from the retry budget, and none while a breaker of the
    upstream is not closed. A call that may be hedged is not retried.

    It stands where retry stands, and for the same reasons.
    """

    after: float | str = "p95"
    extra: float = 0.05

    def __post_init__(self) -> None:
        if isinstance(self.after, str):
            if self.after != "p95":
                raise ValueError(f'after takes seconds or "p95", not {self.after!r}')
        else:
            check_positive("after", self.after)
        check_share("extra", self.extra)

    def bind(self, site: Site, send: Send) -> Send:
        return _Layer(self, site, send).send


class Latencies:
    """The latencies of an upstream's last answers, and how many of its calls were hedged."""

    __slots__ = ("_fresh", "_p95", "seen", "window")

    def __init__(self, site: Site) -> None:
        self.seen: deque[float] = deque(maxlen=_KEPT)
        self.window = Window(10.0, site.clock())
        self._p95: float | None = None
        self._fresh = 0

    def add(self, seconds: float) -> None:
        self.seen.append(seconds)
        self._fresh += 1
        if len(self.seen) >= _ENOUGH and (self._p95 is None or self._fresh >= _SORT_EVERY):
            self._fresh = 0
            self._p95 = sorted(self.seen)[int(len(self.seen) * 0.95)]

    @property
    def p95(self) -> float | None:
        return self._p95

    def describe(self) -> dict[str, Any]:
        return {"p95": self._p95, "hedges": self.window.marked}


class _Layer:
    __slots__ = ("_budget", "_latencies", "_options", "_send", "_site")

    def __init__(self, options: Hedge, site: Site, send: Send) -> None:
        self._options = options
        self._site = site
        self._send = send
        self._budget = Budget.of(site)
        self._latencies = site.keep("hedge", lambda: Latencies(site))

    def send(self, call: Call) -> Response:
        if call.method != "GET" or call.stream or call.body is not None:
            return self._send(call)
        site, latencies, after = self._site, self._latencies, self._options.after
        start = site.clock()
        latencies.window.count(start)
        delay = latencies.p95 if isinstance(after, str) else after
        if delay is None or site.troubled:
            response = self._send(call)
            latencies.add(site.clock() - start)
            return response
        self._budget.window.count(start)
        race = _Race(self._send)
        try:
            response = self._decide(race, call, delay)
        finally:
            race.stop()
        # Of a first attempt that was beaten, this is the least that it would have taken. What failed is not counted: a
        # refusal takes no time, and would have the next calls hedged at once.
        latencies.add(site.clock() - start)
        return response

    def _decide(self, race: _Race, call: Call, delay: float) -> Response:
        first = call.again()
        first.hedged = True
        race.start(first)
        outcome = race.next(delay)
        if (outcome is None or worth_another(outcome)) and self._may():
            second = first.again()
            second.attempt += 1
            if self._site.instruments.active:
                self._site.instruments.emit("hedge.started", upstream=self._site.name, after=delay)
            race.start(second)
        while outcome is None or (race.pending and not good(outcome)):
            outcome = race.next()
        if isinstance(outcome, Response):
            return outcome
        try:
            raise outcome
        finally:
            del outcome  # or the error and this frame would know each other, until the garbage collector comes

    def _may(self) -> bool:
        site, window = self._site, self._latencies.window
        calls, hedges = window.recent(site.clock())
        if site.troubled or hedges >= max(1.0, self._options.extra * calls) or not self._budget.spend():
            return False
        window.marked += 1
        return True


class _Race:
    """Attempts of one call, each in a greenlet of its own, so that it can be killed."""

    __slots__ = ("_ended", "_runners", "_send", "_waiter", "pending")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ended: deque[Response | BaseException] = deque()
        self._runners: list[Any] = []
        self._waiter: Waiter | None = None
        self.pending = 0  # attempts whose end nobody has taken yet

    def start(self, call: Call) -> None:
        self.pending += 1
        self._runners.append(spawn(copy_context().run, self._attempt, call))

    def _attempt(self, call: Call) -> None:
        try:
            self._ended.append(self._send(call))
        except BaseException as error:  # for the caller to raise; if it has gone, for nobody
            self._ended.append(error)
        if self._waiter is not None:
            get_hub().loop.run_callback(self._waiter.wake)

    def next(self, seconds: float | None = None) -> Response | BaseException | None:
        """The next end of an attempt; `None` if there is none in time."""
        if not self._ended:
            self._waiter = Waiter()
            if seconds is None:
                self._waiter.wait()
            else:
                wait_at_most(self._waiter, seconds)
            if not self._ended:
                return None
        self.pending -= 1
        return self._ended.popleft()

    def stop(self) -> None:
        """Kill what still runs; a transport that is interrupted closes its connection."""
        for runner in self._runners:
            runner.kill(block=False)
