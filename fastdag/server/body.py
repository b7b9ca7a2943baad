"""The body of a request, framed as it arrives (RFC 9112 §6 and §7.1), and never longer than it may be.

gunicorn_h1c can decode bodies too, but it bounds neither chunk-size lines nor trailers and lets a chunk size wrap
around at 64 bits; a body is bounded here, and read by gunicorn's own rules for chunk extensions and trailers.
"""

from __future__ import annotations

from typing import Any, Protocol

from gunicorn.http.body import CHUNK_EXT_RE
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    InvalidChunkExtension,
    InvalidChunkSize,
    InvalidHeader,
    LimitRequestHeaders,
)

from fastdag.server.head import Head

__all__ = ["Body", "ChunkedBody", "SizedBody", "TooLarge"]

_HEX = frozenset(b"0123456789abcdefABCDEF")

#: A chunk may be announced with that many hex digits, leading zeros included; more is no size.
_MOST_DIGITS = 16

#: The bytes of all trailers together. They are searched again whenever more arrive, and hardly anybody sends any.
_TRAILERS = 1 << 14


class TooLarge(Exception):
    """More bytes than a body may have; raised as soon as that is known."""


class Body(Protocol):
    """A body on its way: `feed` takes bytes and says whether it is whole; `rest` is what came after its end."""

    size: int

    def feed(self, data: bytes) -> bool: ...

    @property
    def content(self) -> bytes: ...

    @property
    def rest(self) -> bytes: ...


class SizedBody:
    """A body with a Content-Length."""

    __slots__ = ("_length", "_parts", "rest", "size")

    def __init__(self, length: int, most: int) -> None:
        if length > most:
            raise TooLarge
        self._length = length
        self._parts: list[bytes] = []
        self.size = 0
        self.rest = b""

    def feed(self, data: bytes) -> bool:
        missing = self._length - self.size
        if len(data) > missing:
            data, self.rest = data[:missing], data[missing:]
        self._parts.append(data)
        self.size += len(data)
        return self.size == self._length

    @property
    def content(self) -> bytes:
        return b"".join(self._parts)


class ChunkedBody:
    """A chunked body. Its parser is a table of states: each takes what it can off the buffer and sets the next.

        size -> data -> data_end -> size ... -> trailers -> None (whole)

    A state that returns false wants more bytes.
    """

    __slots__ = ("_buffer", "_head", "_left", "_most", "_parts", "_state", "size")

    def __init__(self, head: Head, most: int) -> None:
        self._head = head
        self._most = most
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._state: Any = self._read_size
        self._left = 0
        self.size = 0

    def feed(self, data: bytes) -> bool:
        self._buffer += data
        while self._state is not None and self._state():
            pass
        return self._state is None

    @property
    def content(self) -> bytes:
        return b"".join(self._parts)

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def _read_size(self) -> bool:
        line = self._take_line(self._head.limit_request_field_size)
        if line is None:
            return False
        digits, semicolon, extension = line.partition(b";")
        if semicolon:
            if not CHUNK_EXT_RE.fullmatch(b";" + extension):
                raise InvalidChunkExtension("invalid chunk extension")
            digits = digits.rstrip(b" \t")
        if not 0 < len(digits) <= _MOST_DIGITS or not _HEX.issuperset(digits):
            raise InvalidChunkSize(digits)
        self._left = int(digits, 16)
        self.size += self._left
        if self.size > self._most:
            raise TooLarge
        self._state = self._read_data if self._left else self._read_trailers
        return True

    def _take_line(self, most: int) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, most + 2)
        if end < 0:
            if len(self._buffer) > most:
                raise InvalidChunkSize(b"line over %d bytes with no terminator" % most)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _read_data(self) -> bool:
        taken = bytes(self._buffer[: self._left])
        if not taken:
            return False
        del self._buffer[: len(taken)]
        self._parts.append(taken)
        self._left -= len(taken)
        if not self._left:
            self._state = self._read_data_end
        return True

    def _read_data_end(self) -> bool:
        end = bytes(self._buffer[:2])
        if end != b"\r\n"[: len(end)]:
            raise ChunkMissingTerminator(end)
        if len(end) < 2:
            return False
        del self._buffer[:2]
        self._state = self._read_size
        return True

    def _read_trailers(self) -> bool:
        head, buffer = self._head, self._buffer
        if buffer[:2] == b"\r\n":
            end, after = 0, 2
        else:
            end = buffer.find(b"\r\n\r\n")
            after = end + 4
        if end < 0:
            if buffer.count(b"\n") != buffer.count(b"\r\n"):
                raise InvalidHeader("bare LF as line terminator")
            if len(buffer) > _TRAILERS:
                raise LimitRequestHeaders("limit request trailer section size")
            return False
        if end:
            head.trailers = head.parse_headers(bytes(buffer[:end]), from_trailer=True)
        del buffer[:after]
        self._state = None
        return True
