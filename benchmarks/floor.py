"""The least that a call can cost on gevent: its socket, llhttp, and nothing around them.

No deadline, no headers kept, no pool, no check of what it gets. `Fan` is ten of them at once: raw greenlets that are
used again, one connection each, all parsed by llhttp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import msgspec
from gevent import socket
from greenlet import getcurrent, greenlet
from httptools import HttpResponseParser

__all__ = ["Fan", "Floor"]


class _Answer:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.done = False

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.done = True


class Floor:
    """One kept connection; calling it gets the decoded JSON at a path."""

    def __init__(self, address: tuple[str, int], path: str) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n\r\n".encode()

    def __call__(self) -> Any:
        self._socket.sendall(self._request)
        answer = _Answer()
        parser = HttpResponseParser(answer)
        while not answer.done:
            parser.feed_data(self._socket.recv(65536))
        return msgspec.json.decode(b"".join(answer.parts))

    def close(self) -> None:
        self._socket.close()


class Fan:
    """Several floors at once; calling it gets what each of them got."""

    def __init__(self, floors: list[Floor]) -> None:
        self._floors = floors
        self._hub = gevent.get_hub()
        self._idle: list[greenlet] = []
        self._answers: list[Any] = []
        self._waiting: Any = None

    def __call__(self) -> list[Any]:
        self._answers = []
        for floor in self._floors:
            worker = self._idle.pop() if self._idle else greenlet(self._live, self._hub)
            self._hub.loop.run_callback(worker.switch, floor)
        self._waiting = getcurrent()
        self._hub.switch()
        return self._answers

    def _live(self, floor: Callable[[], Any]) -> None:
        while True:
            self._answers.append(floor())
            self._idle.append(getcurrent())
            if len(self._answers) == len(self._floors):
                self._hub.loop.run_callback(self._waiting.switch)
            floor = self._hub.switch()
