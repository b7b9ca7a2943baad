"""Telling of a request: `request.started` and `request.ended`, and nothing where nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import Any

from fastdag.deadline import now
from fastdag.events import Instruments
from fastdag.web.guard import ROUTE
from fastdag.web.request import request_id
from fastdag.web.stream import FRAMES
from fastdag.web.trace import trace_id

__all__ = ["Told"]

#: The status of a request whose client did not wait for the answer. Nobody sends it; nginx logs it so.
CLIENT_LEFT = 499

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Told:
    """A WSGI program around another one. All that belongs to a request is told in the contextvars it runs in."""

    def __init__(self, program: Wsgi, instruments: Instruments) -> None:
        self._program = program
        self._instruments = instruments

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start = now()
        status = 0
        instruments, id = self._instruments, request_id(environ)
        method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")

        def note(line: str, *args: Any) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, *args)

        def ended(status: int) -> None:
            route, trace = environ.get(ROUTE) or "", trace_id(environ)
            instruments.tell("request.ended", method, path, route, status, id, trace, now() - start, environ)

        instruments.tell("request.started", method, path, id, environ)
        try:
            body = self._program(environ, note)
        except BaseException as error:
            ended(500 if isinstance(error, Exception) else CLIENT_LEFT)
            raise
        frames = environ.get(FRAMES)
        if frames is None:
            ended(status)
        else:  # the answer is still on its way
            frames.on_close(partial(copy_context().run, ended, status))
        return body
