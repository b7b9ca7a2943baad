"""The total timeout: no call takes longer, whatever happens on the way."""

from __future__ import annotations

from dataclasses import dataclass

from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.site import Site

__all__ = ["Total"]


@dataclass(frozen=True, slots=True)
class Total:
    """Gives a call its deadline: the earliest of the caller's and the total, which is the call's own `timeout` or
    else the upstream's. A deadline is never moved back."""

    def bind(self, site: Site, send: Send) -> Send:
        return _Layer(site, send).send


class _Layer:
    __slots__ = ("_clock", "_seconds", "_send")

    def __init__(self, site: Site, send: Send) -> None:
        self._clock = site.clock
        self._seconds = site.timeout
        self._send = send

    def send(self, call: Call) -> Response:
        seconds = call.timeout
        if seconds is None:
            seconds = self._seconds
        if seconds is not None:
            own = self._clock() + seconds
            if call.deadline is None or own < call.deadline:
                call.deadline = own
        return self._send(call)
