"""What a KB of JSON costs by itself: received, decoded, kept for a while, encoded, hashed for its ETag, and sent."""

from __future__ import annotations

import socket
import time
from collections import deque
from hashlib import sha256
from typing import Any

import msgspec

from benchmarks.common import collected

__all__ = ["Bytes"]


class Bytes:
    """A connection to itself. `kept` bodies wait decoded, as those of other requests do: what is encoded has then left
    the processor's caches."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._near = socket.create_connection(server.getsockname())
            self._far, _ = server.accept()

    def per_kilobyte(self, small: str, large: str) -> float:
        """Seconds of CPU: those for a large body, less those for a small one, by the difference in size."""
        bodies = small.encode(), large.encode()
        with collected():
            costs = [self._cost(body) for body in bodies]
        return (costs[1] - costs[0]) / (len(bodies[1]) - len(bodies[0])) * 1e3

    def _cost(self, body: bytes, times: int = 1_000) -> float:
        waiting: deque[Any] = deque()
        start = 0.0
        for number in range(self._kept + times):
            if number == self._kept:
                start = time.process_time()
            self._near.sendall(body)
            waiting.append(msgspec.json.decode(self._received(len(body))))
            if len(waiting) > self._kept:
                sha256(msgspec.json.encode(waiting.popleft())).digest()
        return (time.process_time() - start) / times

    def _received(self, size: int) -> bytes:
        pieces = []
        while size:
            pieces.append(self._far.recv(65536))
            size -= len(pieces[-1])
        return b"".join(pieces)
