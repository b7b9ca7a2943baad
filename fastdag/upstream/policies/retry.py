"""Retry: a second attempt where the first one's failure says that it may help, and can do no harm."""

from __future__ import annotations

from dataclasses import dataclass

from fastdag.errors import UpstreamError
from fastdag.upstream.call import Call, Response, Send, StreamedResponse
from fastdag.upstream.later import retry_after
from fastdag.upstream.policies.budget import BUDGET, PER_SECOND, Budget
from fastdag.upstream.policies.checks import check_count, check_positive, check_share
from fastdag.upstream.policies.verdict import worth_another
from fastdag.upstream.site import Site

__all__ = ["Retry", "Retrying"]

_LARGEST_BODY = 64 << 10
_LONGEST = 30.0  # a Retry-After beyond this is not waited for, whatever the deadline


@dataclass(frozen=True, slots=True)
class Retry:
    """Up to `attempts` attempts, the first included.

    Repeated are: a connection that failed before a byte of the request was sent, whatever the method (not one that
    TLS refused: it would be refused again); and, of calls that are idempotent, a connection lost before the first
    byte of the answer, and the statuses 502, 503, 504. Never a time-out: its time is gone, and a slow upstream needs
    no more calls. Never a body over 64 KiB, or one that can be read only once.

    Before attempt n + 1 there is a pause, by lot from 0 to `backoff` * 2**(n - 1) seconds, `max_backoff` at most
    ("full jitter", AWS); a `Retry-After` is waited for where it is longer. An attempt that would begin after the
    deadline, or that no breaker would let through, is not waited for. All retries of an upstream together stay within
    a budget: a share of `budget` of its calls in ten seconds, and `budget_per_second` besides; hedges draw from it.

    It stands below the total timeout, which bounds all attempts, and above balancing, so that another attempt means
    another host first.
    """

    attempts: int = 2
    backoff: float = 0.025
    max_backoff: float = 0.25
    budget: float = BUDGET
    budget_per_second: float = PER_SECOND

    def __post_init__(self) -> None:
        check_count("attempts", self.attempts)
        check_positive("backoff", self.backoff, zero=True)
        check_positive("max_backoff", self.max_backoff, zero=True)
        check_share("budget", self.budget)
        check_positive("budget_per_second", self.budget_per_second, zero=True)

    def bind(self, site: Site, send: Send) -> Send:
        return Retrying(self, site, send).send


class Retrying:
    """The attempts at one upstream after the first."""

    __slots__ = ("_budget", "_clock", "_options", "_send", "_site", "calls")

    def __init__(self, options: Retry, site: Site, send: Send) -> None:
        self._options = options
        self._site = site
        self._clock = site.clock
        self._send = send
        self._budget = Budget.of(site, options.budget, options.budget_per_second)
        #: All calls, of which the budget is a share.
        self.calls = self._budget.window

    def send(self, call: Call) -> Response:
        if call.hedged:
            return self._send(call)
        self.began(self._clock())
        try:
            response = self._send(call)
        except UpstreamError as error:
            if not worth_another(error):
                raise
            return self.again(call, error)
        if response.status_code < 500 or not worth_another(response):
            return response
        return self.again(call, response)

    def began(self, now: float) -> None:
        """One more call, of which the budget is a share."""
        window = self.calls  # `count`, on the path of every call
        if now >= window.edge:
            window.turn(now)
        window.total += 1

    def again(self, call: Call, last: Response | UpstreamError) -> Response:
        """What follows a first attempt that can be repeated, if anything may."""
        while (pause := self._pause(call, last)) is not None:
            if isinstance(last, StreamedResponse):
                last.close()
            self._site.sleep(pause)
            call = call.again()
            call.attempt += 1
            try:
                last = self._send(call)
            except UpstreamError as error:
                last = error
            if not worth_another(last):
                break
        if isinstance(last, Response):
            return last
        try:
            raise last
        finally:
            del last  # an error knows this frame; if the frame knew it, both would wait for the garbage collector

    def _pause(self, call: Call, last: Response | UpstreamError) -> float | None:
        """The seconds to wait before the next attempt; `None` if there is to be none."""
        options, site = self._options, self._site
        pause = site.random.uniform(0.0, min(options.max_backoff, options.backoff * 2.0 ** min(call.attempt, 30)))
        if isinstance(last, Response):
            pause = max(pause, retry_after(last.headers, site.wall()) or 0.0)
        why = self._refusal(call, last, pause)
        if site.instruments.active:
            about = {"upstream": site.name, "host": call.host.url if call.host else "", "attempt": call.attempt + 1}
            if why:
                site.instruments.emit("retry.refused", **about, why=why)
            else:
                site.instruments.emit("retry.scheduled", **about, pause=pause)
        return None if why else pause

    def _refusal(self, call: Call, last: Response | UpstreamError, pause: float) -> str:
        """Why there is to be no further attempt, or an empty string. The budget is asked last: asking is spending."""
        if call.attempt + 1 >= self._options.attempts:
            return "attempts"
        if not call.idempotent and (isinstance(last, Response) or last.sent):
            return "idempotent"
        if call.body is not None and not (isinstance(call.body, bytes) and len(call.body) <= _LARGEST_BODY):
            return "body"
        if len(self._site.troubled) == len(self._site.hosts):
            return "breaker"
        if pause > _LONGEST or (call.deadline is not None and self._clock() + pause >= call.deadline):
            return "deadline"
        return "" if self._budget.spend() else "budget"
