"""Asks a URL so many times a second, answered or not, and prints the latencies of each status in seconds as JSON.

Its arguments are the URL, the requests per second, the seconds to go on for, and `kept` or `new` for the connections:
used again, or a new one for each request. One process, one thread, plain sockets: what a flood is measured with must
not be what is slow.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import defaultdict
from urllib.parse import urlsplit

__all__ = ["flood"]

#: So long it waits for the last answers.
_PATIENCE = 5.0


class Flood:
    def __init__(self, url: str, *, kept: bool) -> None:
        parts = urlsplit(url)
        self._address = (str(parts.hostname), parts.port or 80)
        self._kept = kept
        connection = "keep-alive" if kept else "close"
        self._request = f"GET {parts.path} HTTP/1.1\r\nHost: flood\r\nConnection: {connection}\r\n\r\n".encode()
        self._idle: list[socket.socket] = []
        self._selector = selectors.DefaultSelector()
        self.waiting = 0
        self.latencies: dict[str, list[float]] = defaultdict(list)

    def ask(self) -> None:
        start = time.perf_counter()
        sock = self._idle.pop() if self._idle else socket.create_connection(self._address)
        self._selector.register(sock, selectors.EVENT_READ, start)
        sock.send(self._request)
        self.waiting += 1

    def listen(self, seconds: float) -> None:
        """Take the answers that are there, or the first to come within so many seconds."""
        for key, _ in self._selector.select(seconds):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            data = sock.recv(1 << 16)  # the answers are small, and leave in one piece
            self.latencies[data[9:12].decode() or "none"].append(time.perf_counter() - key.data)
            self._selector.unregister(sock)
            self.waiting -= 1
            if self._kept and b"Connection: keep-alive" in data:
                self._idle.append(sock)
            else:
                sock.close()


def flood(url: str, rate: float, seconds: float, *, kept: bool) -> dict[str, list[float]]:
    asking = Flood(url, kept=kept)
    start, asked, total = time.perf_counter(), 0, round(rate * seconds)
    while asked < total or asking.waiting:
        passed = time.perf_counter() - start
        if passed > seconds + _PATIENCE:
            raise TimeoutError(f"{asking.waiting} requests are not answered")
        while asked < total and asked / rate <= passed:
            asking.ask()
            asked += 1
        asking.listen(max(0.0, start + asked / rate - time.perf_counter()) if asked < total else 1.0)
    return asking.latencies


if __name__ == "__main__":
    print(json.dumps(flood(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), kept=sys.argv[4] == "kept")))
