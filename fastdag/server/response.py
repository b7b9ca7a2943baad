"""One answer on its way out: headers checked, framed, and sent in as few writes as possible.

The checks are gunicorn's (RFC 9110 §5.5, §5.6.2), and stricter in three points: one Content-Length only, which is a
number; a body that ends before it closes the connection, since the client could not tell otherwise; and no 1xx as
the final status.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

from gunicorn.http.errors import InvalidResponseHeader, InvalidResponseHeaderName
from gunicorn.http.message import TOKEN_RE
from gunicorn.http.wsgi import HEADER_VALUE_RE, STATUS_RE
from gunicorn.util import is_hoppish

from fastdag.server.head import Head

__all__ = ["IncompleteBody", "Response"]

Headers = Iterable[tuple[str, str]]

#: Below this many bytes it is cheaper to copy a body behind its head than to send the two one after the other.
_SMALL = 1 << 16

_PLAIN, _LENGTH, _OURS = "plain", "length", "ours"


class IncompleteBody(Exception):
    """The program's body is shorter than the Content-Length it has sent."""


class Sink(Protocol):
    """Where an answer goes: blocks until the bytes are taken, or raises because nobody takes them."""

    @property
    def closing(self) -> bool: ...

    def send(self, data: bytes) -> None: ...

    def preamble(self, *, close: bool) -> str: ...


@lru_cache(256)
def _code(status: Any) -> int:
    if not isinstance(status, str):
        raise TypeError(f"{status!r} is not a string")
    if not STATUS_RE.fullmatch(status) or status < "2":
        raise ValueError(f"Invalid status {status!r}")
    return int(status[:3])


@lru_cache(1024)
def _kind(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is not a string")
    if not TOKEN_RE.fullmatch(name):
        raise InvalidResponseHeaderName(repr(name))
    if name.lower() == "content-length":
        return _LENGTH
    return _OURS if is_hoppish(name) else _PLAIN


def _checked(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    if not (value.isascii() and value.isprintable()) and not HEADER_VALUE_RE.fullmatch(value):
        # The name only: an exception's text travels, and the value may be a secret.
        raise InvalidResponseHeader(repr(name))
    return value.strip(" \t")


class Response:
    """The answer to one request; gunicorn's hooks and loggers see its `status`, `headers` and `sent`."""

    __slots__ = (
        "_code",
        "_head",
        "_sink",
        "chunked",
        "headers",
        "headers_sent",
        "must_close",
        "response_length",
        "sent",
        "status",
    )

    def __init__(self, head: Head, sink: Sink) -> None:
        self._head = head
        self._sink = sink
        self._code = 0
        self.status: str | None = None
        self.headers: list[tuple[str, str]] = []
        self.headers_sent = False
        self.response_length: int | None = None
        self.chunked = False
        self.must_close = False
        self.sent = 0

    def force_close(self) -> None:
        self.must_close = True

    def should_close(self) -> bool:
        return self.must_close or self._head.should_close()

    def start_response(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        """PEP 3333's; what is wrong with status or headers is raised here, where the program can be found."""
        if exc_info:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise AssertionError("Response headers already set!")
        self._code = _code(status)
        self.status = status
        self._take(headers)
        return self.write

    def _take(self, headers: Headers) -> None:
        self.headers = kept = []
        self.response_length = None
        for name, value in headers:
            kind = _kind(name)
            value = _checked(name, value)
            if kind is _LENGTH:
                if self.response_length is not None or not (value.isascii() and value.isdigit()):
                    raise InvalidResponseHeader(repr(name))
                self.response_length = int(value)
            elif kind is _OURS:
                # Connection, framing, Server and Date are the server's; a program may still ask to close.
                self.must_close |= name.lower() == "connection" and value.lower() == "close"
                continue
            kept.append((name, value))

    @property
    def _has_no_body(self) -> bool:
        return self._head.method == "HEAD" or self._code in (204, 304)

    def send_all(self, body: bytes) -> None:
        """The whole body at once: its length is known even if the program has not said so."""
        known = self.response_length is not None or self.headers_sent or self.status is None
        if not known and not self._has_no_body:
            self.response_length = len(body)
            self.headers.append(("Content-Length", str(len(body))))
        self.write(body)

    def write(self, data: bytes) -> None:
        """A part of the body. The head leaves with the first one that is not empty."""
        if not isinstance(data, bytes):
            raise TypeError(f"{data!r} is not bytes")
        if not data:
            return
        if self.headers_sent:
            self._sink.send(self._framed(data))
        elif len(data) < _SMALL:
            self._sink.send(self._begin() + self._framed(data))
        else:
            self._sink.send(self._begin())
            self._sink.send(self._framed(data))

    def finish(self) -> None:
        """After the last part: the head, if nothing has been sent, and the last chunk."""
        last = b"" if self.headers_sent else self._begin()
        if self.chunked:
            last += b"0\r\n\r\n"
        if last:
            self._sink.send(last)
        if self.response_length is not None and self.sent < self.response_length and not self._has_no_body:
            self.must_close = True
            raise IncompleteBody(f"{self.sent} bytes sent after Content-Length: {self.response_length}")

    def early_hints(self, headers: Headers) -> None:
        """`wsgi.early_hints`: a 103 (RFC 8297), for clients of HTTP/1.1, as long as the answer has not begun."""
        if self.headers_sent or self._head.version < (1, 1):
            return
        lines = ["HTTP/1.1 103 Early Hints"]
        for name, value in headers:
            text = name.decode("latin-1") if isinstance(name, bytes) else name
            _kind(text)
            lines.append(f"{text}: {_checked(text, value.decode('latin-1') if isinstance(value, bytes) else value)}")
        self._sink.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def _begin(self) -> bytes:
        if self.status is None:
            raise AssertionError("the program returned without calling start_response")
        if self._has_no_body:
            if self._code == 204:
                # RFC 9110 §8.6: no Content-Length with a 204.
                self.headers = [pair for pair in self.headers if _kind(pair[0]) is not _LENGTH]
                self.response_length = None
        elif self.response_length is None:
            self.chunked = self._head.version >= (1, 1)
            self.must_close |= not self.chunked
        self.must_close |= self._sink.closing
        self.headers_sent = True
        minor = self._head.version[1]
        start = f"HTTP/1.{minor} {self.status}\r\n{self._sink.preamble(close=self.should_close())}"
        if self.chunked:
            start += "Transfer-Encoding: chunked\r\n"
        fields = "".join([f"{name}: {value}\r\n" for name, value in self.headers])
        return f"{start}{fields}\r\n".encode("latin-1")

    def _framed(self, data: bytes) -> bytes:
        if self._has_no_body:
            return b""
        if self.response_length is not None and self.sent + len(data) > self.response_length:
            data = data[: self.response_length - self.sent]
        self.sent += len(data)
        if self.chunked:
            return b"%X\r\n%b\r\n" % (len(data), data)
        return data
