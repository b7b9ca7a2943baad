"""The attempt timeout, and the word to the upstream how long anybody will wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from fastdag.concurrency import Timeout
from fastdag.deadline import earliest
from fastdag.errors import UpstreamError, UpstreamTimeout
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.site import Site

__all__ = ["Attempt", "Attempts"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Gives one attempt its share of the time: `min(what remains, attempt_timeout)`.

    The transport keeps the deadline; this layer sets it, tells it to the upstream (`Fastdag-Deadline: 0.412`, the
    seconds that remain when the request leaves), and notes on the call whether the attempt had less than half of its
    usual time (`call.early`): then a time-out says more about the caller than about the upstream.
    """

    def bind(self, site: Site, send: Send) -> Send:
        return Attempts(site, send).send


class Attempts:
    """What every attempt at an upstream gets."""

    __slots__ = ("_header", "_limit", "_promise", "_seconds", "_send", "_site")

    def __init__(self, site: Site, send: Send) -> None:
        self._site = site
        self._send = send
        self._header = site.deadline_header
        self._limit = site.attempt_timeout
        # Where the total is shorter than an attempt, the total is what an attempt usually has.
        self._seconds = earliest(site.attempt_timeout, site.timeout)
        self._promise = self._promised(self._seconds)

    def send(self, call: Call) -> Response:
        site = self._site
        now = site.clock()
        total = call.deadline
        self.allot(call, now)
        try:
            if "attempt" in site.instruments.heard:
                return self._observed(call, now)
            return self._send(call)
        except Timeout:
            self.blame(call, now)
            raise
        finally:
            call.deadline, call.promise = total, None

    def allot(self, call: Call, now: float) -> None:
        """Set the deadline of one attempt, and what is told of it; a time-out where no time is left."""
        usual = self._seconds if call.timeout is None else self._usual(call)
        deadline = call.deadline
        call.early = False
        if usual is not None and (deadline is None or now + usual <= deadline):
            call.deadline = now + usual
            call.promise = self._promise if call.timeout is None else self._promised(usual)
        elif deadline is not None:
            if deadline <= now:
                call.early = True
                raise UpstreamTimeout("no time was left for an attempt", upstream=self._site.name)
            call.early = usual is not None and deadline - now < usual / 2
            call.promise = self._promised(deadline - now)

    def blame(self, call: Call, start: float) -> None:
        """A time-out of the caller's own was thrown into its greenlet: note whether the host had half of its time."""
        usual = self._usual(call)
        call.early = usual is not None and self._site.clock() - start < usual / 2

    def _promised(self, seconds: float | None) -> tuple[str, str] | None:
        return None if self._header is None or seconds is None else (self._header, f"{seconds:.3f}")

    def _usual(self, call: Call) -> float | None:
        return self._seconds if call.timeout is None else earliest(self._limit, call.timeout)

    def _observed(self, call: Call, start: float) -> Response:
        if "attempt.started" in self._site.instruments.heard:
            self.tell_start(call)
        status, reason = 0, "cancelled"
        try:
            response = self._send(call)
            status, reason = response.status_code, ""
            return response
        except UpstreamError as error:
            reason = error.reason
            raise
        finally:
            self.tell_end(call, status, reason, self._site.clock() - start)

    def tell_start(self, call: Call) -> None:
        site, host = self._site, call.host.url if call.host else ""
        site.instruments.tell("attempt.started", site.name, host, call.method, call.attempt, call)

    def tell_end(self, call: Call, status: int, reason: str, elapsed: float) -> None:
        site, host = self._site, call.host.url if call.host else ""
        site.instruments.tell(
            "attempt.ended", site.name, host, call.method, call.attempt, call, status, reason, elapsed
        )
