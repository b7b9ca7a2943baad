"""The attempt timeout, and the word to the upstream how long anybody will wait for it."""

from __future__ import annotations

from dataclasses import dataclass

from fastdag.concurrency import Timeout
from fastdag.deadline import earliest
from fastdag.errors import UpstreamError, UpstreamTimeout
from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.site import Site

__all__ = ["Attempt"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Gives one attempt its share of the time: `min(what remains, attempt_timeout)`.

    The transport keeps the deadline; this layer sets it, tells it to the upstream (`Fastdag-Deadline: 0.412`, the
    seconds that remain when the request leaves), and notes on the call whether the attempt had less than half of its
    usual time (`call.early`): then a time-out says more about the caller than about the upstream.
    """

    def bind(self, site: Site, send: Send) -> Send:
        return _Layer(site, send).send


class _Layer:
    __slots__ = ("_header", "_limit", "_seconds", "_send", "_site")

    def __init__(self, site: Site, send: Send) -> None:
        self._site = site
        self._send = send
        self._header = site.deadline_header
        self._limit = site.attempt_timeout
        # Where the total is shorter than an attempt, the total is what an attempt usually has.
        self._seconds = earliest(site.attempt_timeout, site.timeout)

    def send(self, call: Call) -> Response:
        site = self._site
        now = site.clock()
        total = call.deadline
        deadline = self._deadline(call, now)
        if deadline is not None:
            call.deadline = deadline
            if self._header is not None:
                call.promise = (self._header, f"{deadline - now:.3f}")
        try:
            if "attempt" in site.instruments.heard:
                return self._observed(call, now)
            return self._send(call)
        except Timeout:  # the caller's own, thrown into this greenlet
            usual = self._usual(call)
            call.early = usual is not None and site.clock() - now < usual / 2
            raise
        finally:
            call.deadline, call.promise = total, None

    def _usual(self, call: Call) -> float | None:
        return self._seconds if call.timeout is None else earliest(self._limit, call.timeout)

    def _deadline(self, call: Call, now: float) -> float | None:
        usual = self._usual(call)
        total = call.deadline
        call.early = False
        if total is None:
            return None if usual is None else now + usual
        if usual is not None:
            if now + usual <= total:
                return now + usual
            call.early = total - now < usual / 2
        if total <= now:
            call.early = True
            raise UpstreamTimeout("no time was left for an attempt", upstream=self._site.name)
        return total

    def _observed(self, call: Call, start: float) -> Response:
        site, instruments = self._site, self._site.instruments
        upstream, host = site.name, call.host.url if call.host else ""
        if "attempt.started" in instruments.heard:
            instruments.emit(
                "attempt.started", upstream=upstream, host=host, method=call.method, attempt=call.attempt, call=call
            )
        status, reason = 0, "cancelled"
        try:
            response = self._send(call)
            status, reason = response.status_code, ""
            return response
        except UpstreamError as error:
            reason = error.reason
            raise
        finally:
            elapsed = site.clock() - start
            instruments.tell("attempt.ended", upstream, host, call.method, call.attempt, call, status, reason, elapsed)
