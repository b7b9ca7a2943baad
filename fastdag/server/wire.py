"""A client's socket in the loop: one read watcher that is kept, and sends that block a greenlet or nobody.

Without gevent's socket around it: that starts and stops a watcher for every `recv`, and takes a greenlet per
connection just to wait.
"""

from __future__ import annotations

import socket
from math import inf
from typing import Any

from fastdag.concurrency import GreenletExit, Waiter
from fastdag.deadline import now

__all__ = ["READ", "ClientLeft", "Wire", "patience"]

READ, WRITE = 1, 2

_CHUNK = 1 << 16

#: Bytes per second that a body and an answer must move beyond their first seconds.
_RATE = 1 << 14


def patience(since: float, seconds: float, moved: int) -> float:
    """Until when to wait for the next byte: it may not take `seconds`, nor all of them longer than a slow line would.

    Without the first a client could move much in a moment and then hold its connection for long; without the second it
    could move a byte now and then for ever.
    """
    return min(now(), since + moved / _RATE) + seconds


class ClientLeft(GreenletExit):
    """The client is gone; raised in the greenlet that works for it."""


class Wire:
    """The socket of a connection. `expires` is an instant that the heartbeat looks at: no wait costs a timer.

    Nothing here refers to the whole by a method of its own once it is disposed of: a connection in a circle would wait
    for the garbage collector, which with a new connection per request held the loop for 0.1 s at a time.
    """

    __slots__ = ("_loop", "_reader", "_sock", "_write_timeout", "departed", "expires", "untaken")

    def __init__(self, loop: Any, sock: Any, *, write_timeout: float) -> None:
        self._loop = loop
        self._sock = sock
        self._write_timeout = write_timeout
        self._reader = loop.io(sock.fileno(), READ)
        self._reader.start(self._readable)
        self.departed = False
        self.expires = inf
        self.untaken = 0  # bytes of the last `send` that the client has not taken

    def _readable(self) -> None:
        """Called in the hub: there is something to receive."""
        raise NotImplementedError

    def receive(self) -> bytes | None:
        """What is there, `b""` at the end of file, `None` if there is nothing. `OSError` is a reset."""
        try:
            return self._sock.recv(_CHUNK)  # type: ignore[no-any-return]
        except BlockingIOError:
            return None

    def stop_reading(self) -> None:
        self._reader.stop()

    def start_reading(self) -> None:
        self._reader.start(self._readable)

    def send(self, data: bytes) -> None:
        """Blocks the greenlet until the client has taken the bytes; `ClientLeft` if it does not."""
        try:
            taken = self._sock.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self.untaken = len(data)
            raise self._left() from error
        if taken < len(data):
            self._send_slowly(memoryview(data)[taken:])

    def _send_slowly(self, data: memoryview) -> None:
        since, taken = now(), 0
        writer = self._loop.io(self._sock.fileno(), WRITE)
        try:
            while taken < len(data):
                self.expires = patience(since, self._write_timeout, taken)
                self.untaken = len(data) - taken
                waiter = Waiter()
                writer.start(waiter.wake)
                waiter.wait()
                writer.stop()
                taken += self._sock.send(data[taken:])
            self.untaken = 0
        except OSError as error:
            raise self._left() from error
        finally:
            self.expires = inf
            writer.stop()
            writer.close()

    def _left(self) -> ClientLeft:
        self.departed = True
        return ClientLeft("the client does not take the answer")

    def send_now(self, data: bytes) -> bool:
        """Without waiting; whether all of it was taken."""
        try:
            return bool(self._sock.send(data) == len(data))
        except OSError:
            return False

    def is_reset(self) -> bool:
        """Whether a client that had closed its sending side has now gone altogether."""
        return bool(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def hang_up(self) -> bool:
        """Close the sending side; whether that worked."""
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def dispose(self) -> None:
        """Stop watching before the descriptor is closed, or the loop would watch whoever gets its number next."""
        self._reader.stop()
        self._reader.close()
        self._sock.close()
