"""Requests as bytes: the head, and how the body is framed (RFC 9112 §3, §6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastdag.errors import InvalidValue
from fastdag.upstream.call import Call, Host
from fastdag.upstream.transport.decode import ACCEPTED

__all__ = ["RequestLine", "framed"]

# Up to this size a body is copied behind its head, so that both leave in one segment.
_COPIED = 32 << 10
# How many heads are remembered per host, and how long those may be.
_MOST = 64
_LONGEST = 1024
_CONTROLS = bytes((*range(9), *range(10, 32), 127))
# RFC 9110 §8.6: where a method usually has a body, none is said to be none.
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class RequestLine:
    """What all requests to one host have in common, made once; and the last heads that were made of it."""

    __slots__ = ("_after", "_block", "_headers", "_known", "_prefix", "_promise", "_rest")

    def __init__(self, host: Host) -> None:
        authority = host.authority
        if not authority.isascii():
            authority = authority.encode("idna").decode()
        self._prefix = host.prefix
        self._after = f" HTTP/1.1\r\nHost: {authority}\r\n"
        self._headers: tuple[tuple[str, str], ...] | None = None
        self._block = b""
        self._promise: tuple[str, str] | None = None
        self._rest = b""  # of a request without a body, behind its target
        self._known: dict[str, bytes] = {}  # heads of GET, by their targets, with these headers and this promise

    def head(self, call: Call) -> bytes:
        """The head of a request. What was encoded above is trusted, but no character can start a line of its own."""
        if call.headers is not self._headers or call.promise is not self._promise:
            self._turn(call)
        if call.method != "GET" or call.body is not None:
            return self._made(call)
        known = self._known.get(call.target)
        return self._learned(call) if known is None else known

    def _turn(self, call: Call) -> None:
        """From here on, requests end with this call's headers: the calls of one request share theirs."""
        self._known.clear()
        block = self._block if call.headers is self._headers else _block(call.headers)
        self._headers = None  # until all of it is there: no request is to end as another one
        self._block = block
        self._rest = self._tail(call.promise, "")
        self._promise = call.promise
        # An instrument may have set a list, and change it before the next call.
        self._headers = call.headers if type(call.headers) is tuple else None

    def _made(self, call: Call) -> bytes:
        text = f"{call.method} {self._prefix}{call.target}"
        if not (text.isascii() and text.isprintable() and text.count(" ") == 1):
            raise InvalidValue("the request's target is not percent-encoded")
        if call.body is not None or call.method in _WITH_BODY:
            return text.encode() + self._tail(call.promise, _framing(call.body))
        return text.encode() + self._rest

    def _learned(self, call: Call) -> bytes:
        head = self._made(call)
        if len(head) <= _LONGEST:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[call.target] = head
        return head

    def _tail(self, promise: tuple[str, str] | None, framing: str) -> bytes:
        """All that stands behind the target."""
        text = self._after
        if promise is not None:
            text += f"{promise[0]}: {promise[1]}\r\n"
        return (text + framing).encode("latin-1") + self._block


def _framing(body: bytes | Iterable[bytes] | None) -> str:
    if body is None:
        return "Content-Length: 0\r\n"
    return f"Content-Length: {len(body)}\r\n" if isinstance(body, bytes) else "Transfer-Encoding: chunked\r\n"


def _block(headers: Sequence[tuple[str, str]]) -> bytes:
    """The last part of a head: headers as lines, with what every request has, and the empty line."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers])
    lines = len(headers)
    if not any(name.lower() == "accept-encoding" for name, _ in headers):
        text += f"Accept-Encoding: {ACCEPTED}\r\n"
        lines += 1
    try:
        block = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidValue(f"a header holds a character that none can carry: {error}") from error
    if len(block) - len(block.translate(None, _CONTROLS)) != 2 * lines:
        raise InvalidValue("a header holds a control character")
    return block + b"\r\n"


def framed(head: bytes, call: Call) -> tuple[bytes, bytes]:
    """What to send, in two parts, of which the second is a body too large to be copied."""
    body = call.body
    if not isinstance(body, bytes):
        return head, b""
    return (head + body, b"") if len(body) <= _COPIED else (head, body)
