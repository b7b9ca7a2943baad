"""An upstream that fails when it is told to: `python -m benchmarks.failing PORT`.

It answers after 5 ms. After `/_fail` it reads each request and resets the connection, until `/_heal`. `/_counts` gives
the instants (of the system's monotonic clock, which all processes share) at which requests came; requests for `/_…` do
not count.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from typing import Any

import gevent
from gevent.server import StreamServer

BODY = b'{"answer": 42}'


class Failing:
    def __init__(self) -> None:
        self.fails = False
        self.came: list[float] = []

    def serve(self, connection: Any, _address: Any) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                try:
                    data = connection.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                buffer += data
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/_"):
                body = self.told(path)
            else:
                self.came.append(time.monotonic())
                if self.fails:
                    # Linger 0 makes close() a reset.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                    return
                gevent.sleep(0.005)
                body = BODY
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )

    def told(self, path: bytes) -> bytes:
        if path in (b"/_fail", b"/_heal"):
            self.fails = path == b"/_fail"
        return json.dumps(self.came).encode()


if __name__ == "__main__":
    StreamServer(("127.0.0.1", int(sys.argv[1])), Failing().serve).serve_forever()
