"""HTTP/1.1 as a `FakeUpstream` speaks it: reads one request, and sends one answer in the way it is to go."""

from __future__ import annotations

import socket
import time
from http.client import parse_headers
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from fastdag.testing.answers import Answer
from fastdag.testing.calls import Received
from fastdag.upstream.call import Headers

__all__ = ["read_call", "send_answer"]

_RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER with no time: closing resets


def read_call(file: BinaryIO) -> Received | None:
    """The next request of a connection; `None` when the client has left."""
    line = file.readline()
    if not line.strip():
        return None
    began = time.monotonic()
    method, target, _ = line.decode("latin-1").split()
    headers = Headers(parse_headers(file).items())
    parts = urlsplit(target)
    query = {name: found if len(found) > 1 else found[0] for name, found in parse_qs(parts.query, True).items()}
    call = Received(method, parts.path, query, headers, began=began)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        call.body = _chunks(file)
    else:
        call.body = file.read(int(headers.get("content-length", 0)))
    return call


def _chunks(file: BinaryIO) -> bytes:
    body = b""
    while size := int(file.readline().split(b";")[0], 16):
        body += file.read(size)
        file.readline()
    while file.readline().strip():  # trailers
        pass
    return body


def send_answer(connection: socket.socket, call: Received, answer: Answer) -> bool:
    """Send an answer, or what becomes of it; whether the connection can serve another call."""
    if _gone(connection, answer.delay):
        return False
    if answer.fate == "hang":
        _gone(connection, None)
        return False
    if answer.fate == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False
    head, body = answer.message()
    if call.method == "HEAD":
        body = b""
    if answer.fate == "drip":
        return _drip(connection, head, body, answer.pace)
    if answer.fate == "cut":
        body = body[: len(body) // 2]
    connection.sendall(head + body)
    return answer.fate == "whole"


def _drip(connection: socket.socket, head: bytes, body: bytes, pace: float) -> bool:
    connection.sendall(head)
    for byte in body:
        if _gone(connection, pace):
            return False
        connection.sendall(bytes([byte]))
    return True


def _gone(connection: Any, seconds: float | None) -> bool:
    """Wait for so many seconds, or for as long as the client stays; whether it has left."""
    if seconds == 0:
        return False
    connection.settimeout(seconds)
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return False
    finally:
        connection.settimeout(None)
