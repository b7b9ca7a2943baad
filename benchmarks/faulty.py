"""An upstream that misbehaves now and then: `python -m benchmarks.faulty PORT SHARE`.

It answers every GET with JSON: the path, the numbers of some elements, and the token of the request (`X-Token`), if it
has one. A share of the answers goes wrong, in one of the ways below, by lot.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import gevent
from gevent.server import StreamServer

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: sid=%b\r\nContent-Length: %d\r\n\r\n%b"


class Over(Exception):
    """The connection is no good any more."""


def answer(token: bytes, body: bytes) -> bytes:
    return OK % (token, len(body), body)


def status(connection: Any, token: bytes, body: bytes) -> None:
    code = random.choice(
        [b"500 Oh", b"502 Oh", b"503 Oh", b"404 Oh", b"429 Oh", b"302 Oh\r\nLocation: http://127.0.0.1:1"]
    )
    connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (code, len(body), body))


def hang(connection: Any, token: bytes, body: bytes) -> None:
    gevent.sleep(3)
    raise Over


def late(connection: Any, token: bytes, body: bytes) -> None:
    """Longer than an attempt may take: the answer comes to a connection that should not be there any more."""
    gevent.sleep(0.5)
    connection.sendall(answer(token, body))


def reset(connection: Any, token: bytes, body: bytes) -> None:
    # Linger 0 makes close() a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Over


def cut(connection: Any, token: bytes, body: bytes) -> None:
    whole = answer(token, body)
    connection.sendall(whole[: random.randrange(1, len(whole))])
    raise Over


def gone(connection: Any, token: bytes, body: bytes) -> None:
    raise Over


def drip(connection: Any, token: bytes, body: bytes) -> None:
    for byte in answer(token, body)[:40]:
        connection.sendall(bytes([byte]))
        gevent.sleep(0.05)
    raise Over


def twice(connection: Any, token: bytes, body: bytes) -> None:
    """Two whole answers in one segment: the second is nobody's."""
    connection.sendall(answer(token, body) * 2)


def hints(connection: Any, token: bytes, body: bytes) -> None:
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: <%b>\r\n\r\n" % token)
    gevent.sleep(0.03)
    connection.sendall(answer(token, body))


def garbage(connection: Any, token: bytes, body: bytes) -> None:
    connection.sendall(b"\x16\x03\x01 what? " + token)


def no_json(connection: Any, token: bytes, body: bytes) -> None:
    connection.sendall(answer(token, b"<html>" + body))


FAULTS: list[Callable[[Any, bytes, bytes], None]] = [
    *(status, hang, late, reset, cut, gone, drip, twice, hints, garbage, no_json),
]


def serve(share: float, connection: Any) -> None:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            data = connection.recv(65536)
            if not data:
                return
            buffer += data
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        request, *lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        token = headers.get(b"x-token", b"")
        path = request.split(b" ")[1].decode()
        body = json.dumps({"path": path, "token": token.decode(), "ids": [1, 2, 3], "text": "x" * 700}).encode()
        gevent.sleep(random.expovariate(200))
        if random.random() < share:
            random.choice(FAULTS)(connection, token, body)
        else:
            connection.sendall(answer(token, body))


def main() -> None:
    share = float(sys.argv[2])

    def handle(connection: Any, _address: Any) -> None:
        try:
            serve(share, connection)
        except (OSError, Over):
            pass

    StreamServer(("127.0.0.1", int(sys.argv[1])), handle, backlog=1024).serve_forever()


if __name__ == "__main__":
    main()
