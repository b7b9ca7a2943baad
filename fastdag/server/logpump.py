"""Log lines leave through a native thread: a full pipe or a full disk holds up that thread, never the loop.

A log that nobody reads fills its pipe after 64 KiB, and a `write` to it blocks the whole process, all requests with
it. So gunicorn's stream handlers get a `Pump` for a stream. What does not fit is dropped and counted.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from typing import Any

from fastdag.concurrency import original
from fastdag.deadline import after, now

__all__ = ["Pump", "Pumps"]

_LOGGERS = ("gunicorn.error", "gunicorn.access")

#: So many bytes may wait for a stream.
_MOST = 1 << 20

#: Lines are written together with those of the next moments: a thread that wakes up for each would fight for the GIL.
_BATCH = 0.01


class Pump:
    """A text stream whose `write` never blocks; a thread writes to the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._sleep = original("time", "sleep")
        self._bell = original("_thread", "allocate_lock")()
        self._bell.acquire()
        self.dropped = 0
        self.encoding = "utf-8"
        original("_thread", "start_new_thread")(self._run, ())

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "backslashreplace")
        if self._size + len(data) > _MOST:
            self.dropped += 1
            return len(text)
        self._size += len(data)
        self._waiting.append(data)
        try:
            self._bell.release()
        except RuntimeError:  # it rings already
            pass
        return len(text)

    def flush(self) -> None:
        """Nothing to do: the thread is on its way."""

    def fileno(self) -> int:
        return self._fd

    def drain(self, seconds: float) -> bool:
        """Wait for the thread to write what waits; whether it did."""
        until = after(seconds)
        assert until is not None
        while self._size and now() < until:
            self._sleep(_BATCH)
        return not self._size

    def _run(self) -> None:
        while True:
            self._bell.acquire()
            self._sleep(_BATCH)
            while self._waiting:
                lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
                data = b"".join(lines)
                if not self._write(data):
                    self.dropped += len(lines)
                self._size -= len(data)

    def _write(self, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody has set the descriptor so
                self._sleep(_BATCH)
            except OSError:
                return False
        return True


class Pumps:
    """The pumps of a process, one per descriptor, put into gunicorn's handlers and taken out again."""

    def __init__(self) -> None:
        self._pumps: dict[int, Pump] = {}
        self._replaced: list[tuple[Any, Any]] = []
        self.install()

    def install(self) -> None:
        """Also after gunicorn has reopened its files: those handlers have a new stream then."""
        for name in _LOGGERS:
            for handler in logging.getLogger(name).handlers:
                stream = getattr(handler, "stream", None)
                fd = None if isinstance(stream, Pump) else _descriptor(stream)
                if fd is None or not isinstance(handler, logging.StreamHandler):
                    continue
                if fd not in self._pumps:
                    self._pumps[fd] = Pump(fd)
                self._replaced.append((handler, stream))
                handler.stream = self._pumps[fd]

    @property
    def dropped(self) -> int:
        """Lines that were lost, in all."""
        return sum(pump.dropped for pump in self._pumps.values())

    def write(self, text: str) -> None:
        """To the error log, from any thread, past `logging` and its locks, which the blocked one may hold."""
        for handler in logging.getLogger("gunicorn.error").handlers:
            stream = getattr(handler, "stream", None)
            if isinstance(stream, Pump):
                stream.write(text)

    def close(self) -> None:
        """Write what waits; where that works, the handlers get their streams back."""
        for handler, stream in self._replaced:
            if self._pumps[handler.stream.fileno()].drain(0.3):
                handler.stream = stream


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None
