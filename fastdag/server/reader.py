"""Requests out of bytes, without I/O: a connection feeds what arrives, in whatever pieces, one request at a time."""

from __future__ import annotations

from typing import Any

from fastdag.server.body import Body, ChunkedBody, SizedBody, TooLarge
from fastdag.server.head import BAD_REQUESTS, Head, Limits, Names, Peer, status_of

__all__ = ["BadRequest", "Reader", "Rules"]


class Rules:
    """What all readers of a worker have in common."""

    __slots__ = ("cfg", "limits", "max_request_bytes", "names")

    def __init__(self, cfg: Any, max_request_bytes: int) -> None:
        self.cfg = cfg
        self.limits = Limits(cfg)
        self.names = Names(cfg)
        self.max_request_bytes = max_request_bytes


class BadRequest(Exception):
    """The client is to be told so, with this status, and nothing more can be read."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why


class Reader:
    """The requests of one connection. After `feed` has returned true, `head` and `content` are the request, and
    `unread` is what came after it; that is fed again by whoever wants the next one.
    """

    __slots__ = ("_body", "_parser", "_peer", "_rules", "content", "head", "number", "received", "unread")

    def __init__(self, rules: Rules, peer: Peer) -> None:
        self._rules = rules
        self._peer = peer
        self._parser = rules.limits.new_parser()
        self._body: Body | None = None
        self.head: Head | None = None
        self.content = b""
        self.unread = b""  # while a head arrives, its bytes so far
        self.received = 0  # bytes of the body so far
        self.number = 0

    @property
    def in_body(self) -> bool:
        return self._body is not None

    def feed(self, data: bytes) -> bool:
        """Whether a request is whole now; `BadRequest` when it never will be."""
        try:
            return self._feed_body(data) if self._body is not None else self._feed_head(data)
        except TooLarge as error:
            raise BadRequest(413, "the body is too large") from error
        except BAD_REQUESTS as error:
            raise BadRequest(status_of(error), str(error)) from error

    def take_unread(self) -> bytes:
        data, self.unread = self.unread, b""
        return data

    def _feed_head(self, data: bytes) -> bool:
        rules, parser = self._rules, self._parser
        self.head = None  # what is wrong with this one is not to be reported as the last one's
        parser.feed(data)
        if self.unread:
            data = self.unread + data
        if not parser.is_complete:
            self.unread = data
            if len(data) > rules.limits.head:
                raise BadRequest(431, "the head is too large")
            return False
        rest = self.unread = parser.remaining()
        self.number += 1
        raw = data[: -len(rest)] if rest else data
        head = self.head = Head(parser, raw, rules.cfg, rules.limits, rules.names, self._peer, self.number)
        parser.reset()
        if not (head.length or head.chunked):
            self.content = b""
            return True
        most = rules.max_request_bytes
        self._body = ChunkedBody(head, most) if head.chunked else SizedBody(head.length, most)
        self.received = 0
        return bool(rest) and self._feed_body(self.take_unread())

    def _feed_body(self, data: bytes) -> bool:
        body = self._body
        assert body is not None
        self.received += len(data)
        if not body.feed(data):
            return False
        self.content, self.unread = body.content, body.rest
        self._body = None
        return True
