"""A listening socket: accepts, and makes connections of what it gets."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

from fastdag.concurrency import original
from fastdag.server.connection import Connection
from fastdag.server.environ import connection_environ, listener_environ
from fastdag.server.head import Peer
from fastdag.server.house import House
from fastdag.server.wire import READ

__all__ = ["Listener", "most_connections"]

#: Descriptors that are not for clients: logs, the loop's own, and some for upstreams.
_RESERVED = 32

#: Connections beyond the limit that are accepted all the same: to be told 503, and for health checks.
_SURPLUS = 16

#: Out of descriptors, the listener rests for so many seconds instead of spinning.
_PAUSE = 0.1

#: So many connections are taken in one turn of the loop.
_AT_ONCE = 64

#: A worker with more connections than a sibling waits a moment before it takes one more: an idle sibling takes it in
#: a fraction of that. The moment grows with the square of what it is ahead by (4: 1 ms, 16: 16 ms), and not for ever.
_TURN, _LONGEST_TURN = 0.001 / 16, 0.02


def most_connections(wanted: int) -> int:
    """`worker_connections`, as far as the process may open that many files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files - _RESERVED))


class Listener:
    """One of the worker's sockets, without gevent's wrapping: connections wait in the loop, never in a `recv`."""

    def __init__(self, house: House, sock: Any) -> None:
        self._house = house
        self._plain = original("socket", "socket")
        self._sock: Any = self._plain(fileno=sock.detach())
        self._sock.setblocking(False)
        self._environ = listener_environ(house.cfg, self._sock.getsockname())
        self._shared = not house.cfg.reuse_port  # what waits at a socket of its own nobody else can take
        self._most = most_connections(house.cfg.worker_connections)
        self._watcher = house.loop.io(self._sock.fileno(), READ)
        self._timer: Any = None
        self._waits = False  # for a sibling to take what is there
        self._resume()

    def _resume(self) -> None:
        self._stop_timer()
        self._watcher.start(self._acceptable)

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        self._watcher.stop()
        self._stop_timer()
        # A new one, because libev's timers that do not repeat are good for one time only.
        self._timer = self._house.loop.timer(seconds)
        self._timer.start(then)

    def _stop_timer(self) -> None:
        self._waits = False
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _acceptable(self) -> None:
        for _ in range(_AT_ONCE):
            ahead = self._house.seat.ahead()
            if ahead > 0 and self._shared:
                self._rest(min(ahead * ahead * _TURN, _LONGEST_TURN), self._waited)
                self._waits = True
                return
            if not self._take():
                return

    def _waited(self) -> None:
        self._resume()
        self._take()  # still there? Then nobody else has time for it.

    def relieved(self) -> None:
        """The worker has one connection less."""
        if self._waits and self._house.seat.ahead() <= 0:
            self._resume()

    def _take(self) -> bool:
        """Accept a connection, if one waits and there is room; whether there may be more."""
        house = self._house
        surplus = len(house.connections) - self._most
        if surplus >= _SURPLUS:
            self._rest(_PAUSE, self._resume)
            return False
        try:
            # `accept` would make the socket out of the patched module's class.
            number, address = self._sock._accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            house.log.warning("Cannot accept connections: %s", error)
            self._rest(_PAUSE, self._resume)
            house.close_idle(_PAUSE)
            return False
        sock = self._plain(self._sock.family, self._sock.type, self._sock.proto, fileno=number)
        sock.setblocking(False)
        peer = Peer(house.cfg, address)
        Connection(house, sock, peer, connection_environ(self._environ, address), surplus=surplus >= 0)
        return True

    def close(self) -> None:
        """Take what waits in the backlog, and stop: if this is the last listener, what is left there is reset."""
        for _ in range(1 << 10):
            if not self._take():
                break
        self._stop_timer()
        self._watcher.stop()
        self._watcher.close()
        self._sock.close()
