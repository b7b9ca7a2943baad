"""The access log: gunicorn's own logger and formats, written by one greenlet of its own.

A request does not wait for its line to be formatted. And `logging` asks for the current thread, which for every new
greenlet means a dummy thread that keeps a reference to it, so that the greenlet could not be used again.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from gunicorn.glogging import Logger

from fastdag.concurrency import Waiter, get_hub, spawn

__all__ = ["AccessLog", "Logged", "PathLogger"]

#: So many lines are written before the loop has its turn again.
_AT_ONCE = 50

#: What the atoms of a format without `{...}` are made of.
_NAMED = (
    "REMOTE_ADDR",
    "REQUEST_METHOD",
    "RAW_URI",
    "SERVER_PROTOCOL",
    "PATH_INFO",
    "QUERY_STRING",
    "HTTP_REFERER",
    "HTTP_USER_AGENT",
    "HTTP_AUTHORIZATION",
)


#: What may stand in a path as it is: RFC 3986 section 3.3, without the quotation marks that end a field of the log.
_IN_PATHS = "/!$&()*+,;=:@~"


class PathLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's logger, for formats with the path alone: `%(U)s` is decoded there, and a `%0a` would end the line."""

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: timedelta) -> dict[str, Any]:
        atoms: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        atoms["U"] = quote(environ.get("PATH_INFO", "-"), safe=_IN_PATHS, encoding="latin-1")
        return atoms


class Logged:
    """What gunicorn's logger reads of an answer."""

    __slots__ = ("headers", "sent", "status")

    def __init__(self, status: str, sent: int, headers: Any = ()) -> None:
        self.status = status
        self.sent = sent
        self.headers = headers


class AccessLog:
    """Lines waiting to be written. With the access log switched off, noting one costs a look at an attribute."""

    def __init__(self, log: Any) -> None:
        self.enabled: bool = log.access_log_enabled
        self._brief = type(log) in (Logger, PathLogger) and "{" not in log.cfg.access_log_format
        self._log = log
        self._lines: deque[tuple[Any, Any, Any, timedelta]] = deque()
        self._waiter: Waiter | None = None
        self._scribe = spawn(self._write) if self.enabled else None

    def note(self, answer: Any, request: Any, environ: Any, seconds: float) -> None:
        """A line to write: gunicorn's four arguments."""
        if self._brief:
            # The logger copies all headers and variables for every line; a format that names none needs a few.
            environ = {name: environ[name] for name in _NAMED if name in environ}
            answer, request = Logged(answer.status, answer.sent), ()
        self._lines.append((answer, request, environ, timedelta(seconds=seconds)))
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            get_hub().loop.run_callback(waiter.wake)

    def _write(self) -> None:
        while True:
            if not self._lines:
                self._waiter = Waiter()
                self._waiter.wait()
            self.flush(_AT_ONCE)
            if self._lines:
                turn = Waiter()
                get_hub().loop.run_callback(turn.wake)
                turn.wait()

    def flush(self, most: int | None = None) -> None:
        """Write what waits, or some of it."""
        lines = self._lines
        for _ in range(len(lines) if most is None else min(most, len(lines))):
            try:
                self._log.access(*lines.popleft())
            except Exception:  # of a logger class of the user's own, say; the next line may fare better
                self._log.exception("Error writing the access log")

    def close(self) -> None:
        if self._scribe is not None:
            self._scribe.kill()
        self.flush()
