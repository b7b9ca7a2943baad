"""Log lines leave through a native thread: a full pipe or a full disk holds up that thread, never the loop.

A log that nobody reads fills its pipe after 64 KiB, and a `write` to it blocks the whole process, all requests with
it. What does not fit is dropped and counted.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from fastdag.concurrency import original
from fastdag.deadline import now

__all__ = ["Pump", "has_descriptor"]

#: So many bytes may wait for a stream.
_MOST = 1 << 20

#: Lines are written together with those of the next moments: a thread that wakes up for each would fight for the GIL.
_BATCH = 0.01


class Pump:
    """A text stream whose `write` never blocks; a thread writes to the descriptor of the stream it stands for.

    `dropped` counts its lines that were lost, `dropped_in_all` those of all pumps of the process, whoever has made
    them: gunicorn's logs and the app's own know nothing of each other, and whoever counts knows neither.
    """

    encoding = "utf-8"
    dropped_in_all = 0

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._sleep = original("time", "sleep")
        self._bell = original("_thread", "allocate_lock")()
        self._bell.acquire()
        self.dropped = 0
        self.closed = False
        stream.flush()
        original("_thread", "start_new_thread")(self._run, (stream.fileno(),))

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "backslashreplace")
        if self._size + len(data) > _MOST:
            self._drop(1)
            return len(text)
        self._size += len(data)
        self._waiting.append(data)
        self._ring()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: the thread is on its way."""

    def fileno(self) -> int:
        return int(self.stream.fileno())

    def close(self) -> None:
        """Gunicorn reopens its files: the thread writes what waits, closes the old one, and ends."""
        self.closed = True
        self._ring()

    def drain(self, seconds: float) -> bool:
        """Wait for the thread to write what waits; whether it did."""
        until = now() + seconds
        while self._size and now() < until:
            self._sleep(_BATCH)
        return not self._size

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        Pump.dropped_in_all += lines

    def _ring(self) -> None:
        try:
            self._bell.release()
        except RuntimeError:  # it rings already
            pass

    def _run(self, fd: int) -> None:
        while True:
            self._bell.acquire()
            self._sleep(_BATCH)
            while self._waiting:
                lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
                data = b"".join(lines)
                if not self._write(fd, data):
                    self._drop(len(lines))
                self._size -= len(data)
            if self.closed:
                self.stream.close()
                return

    def _write(self, fd: int, data: bytes) -> bool:
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:  # somebody has set the descriptor so
                self._sleep(_BATCH)
            except OSError:
                return False
        return True


def has_descriptor(stream: Any) -> bool:
    """Whether a stream is one of the system's, which a thread can write to."""
    try:
        return int(stream.fileno()) >= 0
    except (AttributeError, OSError, ValueError):
        return False
