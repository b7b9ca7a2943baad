"""A listening socket: accepts, and makes connections of what it gets."""

from __future__ import annotations

import resource
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
        self._most = most_connections(house.cfg.worker_connections)
        # With siblings on the same socket, one at a time: the others' loops are as ready as this one's.
        self._at_once = 1 if house.cfg.workers > 1 else 64
        self._watcher = house.loop.io(self._sock.fileno(), READ)
        # Repeating, because libev's timers that do not are good for one time only.
        self._timer = house.loop.timer(_PAUSE, _PAUSE)
        self._resume()

    def _resume(self) -> None:
        self._timer.stop()
        self._watcher.start(self._acceptable)

    def _acceptable(self) -> None:
        try:
            self.accept(self._at_once)
        except OSError as error:
            self._house.log.warning("Cannot accept connections: %s", error)
            self._rest()
            self._house.close_idle(_PAUSE)

    def accept(self, most: int) -> None:
        """Take up to so many connections that wait."""
        house = self._house
        for _ in range(most):
            surplus = len(house.connections) - self._most
            if surplus >= _SURPLUS:
                self._rest()
                return
            try:
                # `accept` would make the socket out of the patched module's class.
                number, address = self._sock._accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock = self._plain(self._sock.family, self._sock.type, self._sock.proto, fileno=number)
            sock.setblocking(False)
            peer = Peer(house.cfg, address)
            Connection(house, sock, peer, connection_environ(self._environ, address), surplus=surplus >= 0)

    def _rest(self) -> None:
        self._watcher.stop()
        self._timer.again(self._resume)

    def close(self) -> None:
        """Take what waits in the backlog, and stop: if this is the last listener, what is left there is reset."""
        try:
            self.accept(1 << 10)
        except OSError as error:
            self._house.log.warning("Cannot accept connections: %s", error)
        for watcher in (self._watcher, self._timer):
            watcher.stop()
            watcher.close()
        self._sock.close()
