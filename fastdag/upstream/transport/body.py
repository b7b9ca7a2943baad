"""Requests as bytes: the head, and how the body is framed (RFC 9112 §3, §6)."""

from __future__ import annotations

from fastdag.errors import InvalidValue
from fastdag.upstream.call import Call, Host
from fastdag.upstream.transport.decode import ACCEPTED

__all__ = ["RequestLine", "framed"]

# Up to this size a body is copied behind its head, so that both leave in one segment.
_COPIED = 32 << 10
_CONTROLS = bytes((*range(9), *range(10, 32), 127))
# RFC 9110 §8.6: where a method usually has a body, none is said to be none.
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class RequestLine:
    """What all requests to one host have in common, made once."""

    __slots__ = ("_after", "_prefix")

    def __init__(self, host: Host) -> None:
        authority = host.authority
        if not authority.isascii():
            authority = authority.encode("idna").decode()
        self._prefix = host.prefix
        self._after = f" HTTP/1.1\r\nHost: {authority}\r\n"

    def head(self, call: Call) -> bytes:
        """The head of a request. What was encoded above is trusted, but no character can start a line of its own."""
        target = self._prefix + call.target
        text = f"{call.method} {target}{self._after}"
        for name, value in call.headers:
            text += f"{name}: {value}\r\n"
        lines = len(call.headers) + 3
        body = call.body
        if isinstance(body, bytes):
            text += f"Content-Length: {len(body)}\r\n"
            lines += 1
        elif body is not None:
            text += "Transfer-Encoding: chunked\r\n"
            lines += 1
        elif call.method in _WITH_BODY:
            text += "Content-Length: 0\r\n"
            lines += 1
        if "\r\naccept-encoding:" not in text.lower():
            text += f"Accept-Encoding: {ACCEPTED}\r\n"
            lines += 1
        try:
            head = (text + "\r\n").encode("latin-1")
        except UnicodeEncodeError as error:
            raise InvalidValue(f"a header holds a character that none can carry: {error}") from error
        if len(head) - len(head.translate(None, _CONTROLS)) != 2 * lines:
            raise InvalidValue("the target or a header holds a control character")
        if not target.isascii() or " " in target or " " in call.method:
            raise InvalidValue("the request's target is not percent-encoded")
        return head


def framed(head: bytes, call: Call) -> tuple[bytes, bytes]:
    """What to send, in two parts, of which the second is a body too large to be copied."""
    body = call.body
    if not isinstance(body, bytes):
        return head, b""
    return (head + body, b"") if len(body) <= _COPIED else (head, body)
