"""The floor: the same work by hand on a gevent loop, llhttp on both sides, no framework; its argument is the port.

A callback per answer and no greenlet per call, no deadline, no retry, no limit, no check of what the upstream sends.
It is here to show what is left to gain, not as something to deploy.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import gevent
import httptools
import msgspec
from gevent.server import StreamServer

UPSTREAM = urlsplit(os.environ["UPSTREAM"])
REQUESTS = [
    f"GET {UPSTREAM.path}/part/{number} HTTP/1.1\r\nHost: {UPSTREAM.netloc}\r\n\r\n".encode() for number in range(10)
]
idle: list[Connection] = []


class Page:
    """One request: ten answers, and the greenlet that waits for the last of them."""

    def __init__(self) -> None:
        self.parts: list[Any] = [None] * len(REQUESTS)
        self.missing = len(REQUESTS)
        self.greenlet = gevent.getcurrent()

    def body(self) -> bytes:
        for number, request in enumerate(REQUESTS):
            connection = idle.pop() if idle else Connection()
            connection.ask(request, number, self)
        gevent.get_hub().switch()
        merged: dict[str, Any] = {}
        for part in self.parts:
            merged.update(part)
        return msgspec.json.encode(merged)

    def answered(self, number: int, content: bytes) -> None:
        self.parts[number] = msgspec.json.decode(content)
        self.missing -= 1
        if not self.missing:
            self.greenlet.switch()  # type: ignore[attr-defined]


class Connection:
    """One to the upstream: a watcher that is kept, and a parser."""

    def __init__(self) -> None:
        self.socket = socket.create_connection((UPSTREAM.hostname, UPSTREAM.port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.watcher = gevent.get_hub().loop.io(self.socket.fileno(), 1)
        self.watcher.start(self.readable)
        self.parser = httptools.HttpResponseParser(self)

    def ask(self, request: bytes, number: int, page: Page) -> None:
        self.number, self.page, self.content, self.complete = number, page, b"", False
        self.socket.send(request)

    def on_body(self, content: bytes) -> None:
        self.content += content

    def on_message_complete(self) -> None:
        self.complete = True

    def readable(self) -> None:
        self.parser.feed_data(self.socket.recv(65536))
        if self.complete:
            idle.append(self)
            self.page.answered(self.number, self.content)


class Client:
    """One of the service's: requests in, answers out, one after another."""

    def __init__(self, sock: Any) -> None:
        self.socket = sock
        self.asked = False

    def on_message_complete(self) -> None:
        self.asked = True

    def serve(self) -> None:
        parser = httptools.HttpRequestParser(self)
        while data := self.socket.recv(65536):
            parser.feed_data(data)
            if self.asked:
                self.asked = False
                body = Page().body()
                self.socket.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
                    + body
                )


if __name__ == "__main__":
    StreamServer(
        ("127.0.0.1", int(sys.argv[1])), lambda sock, _address: Client(sock).serve(), backlog=4096
    ).serve_forever()
