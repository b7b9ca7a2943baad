"""The client's side of HTTP/1.1, as far as benchmarks need it, over gevent's sockets."""

from __future__ import annotations

from gevent import socket

__all__ = ["ask", "connect", "read"]


def connect(port: int, timeout: float = 10) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout)


def read(connection: socket.socket) -> tuple[bytes, int]:
    """An answer, whole, and its status."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body, int(lines[0].split()[1])


def _more(connection: socket.socket) -> bytes:
    data: bytes = connection.recv(65536)
    if not data:
        raise ConnectionResetError("the service closed a connection")
    return data


def ask(port: int, path: str, timeout: float = 20) -> bytes:
    """The body of one answer, over a connection of its own."""
    connection = connect(port, timeout)
    try:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        whole, _ = read(connection)
    finally:
        connection.close()
    return whole.partition(b"\r\n\r\n")[2]
