"""The incoming side of one connection: bytes go in, notes come out. Nothing here waits, switches or does I/O.

The rules (RFC 9112), and why they are kept here and not left to llhttp alone:

- The end of a head is found before it is fed to the parser. So its bytes are counted before they are parsed, what
  follows an interim head or a HEAD answer is not taken for a body, and the head is kept as it came: headers are only
  taken apart when somebody reads one.
- The parser's callbacks take notes. What they note is acted upon after it has returned: only then is it known whether
  bytes lie beyond the message, and those must never reach the next call on this connection.
- A HEAD answer ends with its head, which the parser does not know: it is thrown away after one.
- The end of a body that is delimited by the end of the connection is ours to notice, and so is that it is one.
- Trailers are dropped: there is no callback for headers at all.
- Of a head that has the very bytes of an earlier one, it is known what the parser would say: the parser is not asked
  (`Heads`). It stays where it was, between two answers.
"""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from fastdag.errors import UpstreamProtocolError, UpstreamTooLarge
from fastdag.upstream.transport.heads import Heads, seconds_kept, value_of
from fastdag.upstream.transport.options import Options

__all__ = ["Inbound"]

_LINE_END = b"\r\n"
_END = b"\r\n\r\n"
_VERSION = b"HTTP/1."
_FINAL = tuple(b"HTTP/1.%d %d" % (minor, digit) for minor in (1, 0) for digit in (2, 3, 4, 5))
_INTERIM = ord("1")  # the first digit of the status, after "HTTP/1.1 "
# Framing may take up to eight bytes for one of the body: a chunk of one byte takes five.
_FRAMING = 8


class Inbound:
    """The answer that is coming in on one connection.

    After `feed` has returned true the answer is whole: `status`, `head`, `body` (as it came), `encoding` (of the
    content), `keep_alive` (seconds that the upstream promised), and whether the connection is `reusable`. `extra`
    says that bytes came which nobody asked for.
    """

    __slots__ = (
        "_heads",
        "_interim",
        "_is_head",
        "_max_bytes",
        "_most",
        "_most_lines",
        "_options",
        "_parser",
        "_partial",
        "_size",
        "_until_close",
        "_wire",
        "body",
        "complete",
        "encoding",
        "extra",
        "head",
        "headed",
        "keep_alive",
        "received",
        "reusable",
        "status",
    )

    def __init__(self, options: Options, heads: Heads) -> None:
        self._options = options
        self._heads = heads
        self._most = options.max_header_bytes
        self._most_lines = options.max_headers + 2  # with that of the status, and the empty one
        self._parser: Any = None
        self._partial = bytearray()
        self._until_close: bool | None = None  # whether the body ends with the connection, once somebody had to ask
        self.status = 0
        self.head = b""
        self.body: bytes | bytearray = b""
        self.keep_alive: float | None = None
        self.begin(False, 0)
        self._reset()

    def begin(self, is_head: bool, max_bytes: int) -> None:
        """Get ready for the next answer."""
        if self._parser is None:
            self._parser = HttpResponseParser(self)
        self._is_head = is_head
        self._max_bytes = max_bytes
        self.received = self.headed = self.complete = False

    def _reset(self) -> None:
        """Forget the answer before, at the first byte of this one."""
        self._interim = self._size = self._wire = 0
        self._until_close = None
        self.extra = self.reusable = False
        self.body = self.encoding = b""
        self.keep_alive = None

    def close(self) -> None:
        """Let go of the parser, which holds this object in a circle."""
        self._parser = None

    # What the parser calls: notes only.

    def on_message_begin(self) -> None:
        if self.complete:
            self.extra = True

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self.complete:  # another answer's
            return
        if not self.body:
            self.body = data
        elif isinstance(self.body, bytes):
            self.body = bytearray(self.body) + data
        else:
            self.body += data

    def on_message_complete(self) -> None:
        if not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()

    # What the connection calls.

    def feed(self, data: bytes) -> bool:
        """Take what the socket brought; true once the answer is whole. Raises what the caller is to get."""
        came = data
        if not self.received:
            self.received = True
            size = 0 if self._is_head else data.find(_END) + 4
            head = data[:size]
            known = self._heads.known.get(head)
            if known is not None:
                self.status, self.head, length, self.encoding, self.keep_alive = known
                if len(data) - size == length <= self._max_bytes:
                    self.body = data[size:]
                    self.headed = self.complete = self.reusable = True
                    return True
            self._reset()
            if 4 < size <= self._most and head.startswith(_FINAL):
                # The way of most others: a final one, from its first byte, and what came along with its head.
                self._execute(data)
                # If another answer has begun behind this one, the parser tells the status of that.
                self._keep_head(head, int(head[9:12]) if self.extra else self._parser.get_status_code())
                wire = len(data) - size
                if self.complete and wire == self._size <= self._max_bytes:
                    if self.reusable:
                        self._heads.learn(head, self.status, wire, self.encoding, self.keep_alive)
                    return True
                self._wire, data = wire, b""
        while not self.headed:
            rest = self._feed_head(data)
            if rest is None:
                return False
            data = rest
        if data:
            self._feed_body(data)
        if self._size > self._max_bytes:
            raise UpstreamTooLarge(f"the body is longer than {self._max_bytes} bytes")
        if self.complete:
            if self._wire != self._size and not self.extra:
                self.extra = self._breaks_follow(came)
            self.reusable = self.reusable and not self.extra
        elif self._until_close is None:
            self._frame()
        return self.complete

    def finish(self) -> bool:
        """The connection has ended cleanly; whether that was the end of the answer."""
        self.complete = self.complete or bool(self._until_close)
        return self.complete

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        taken, self.body = bytes(self.body), b""
        return taken

    # The head

    def _feed_head(self, data: bytes) -> bytes | None:
        """Feed a head up to its end; what comes after it, or `None` while it has not ended."""
        partial = self._partial
        fed = len(partial)
        if fed:
            partial += data
        end = partial.find(_END, max(0, fed - 3)) if fed else data.find(_END)
        size = end + 4 if end >= 0 else fed + len(data)
        if size > self._most:
            raise UpstreamTooLarge(f"the headers are longer than {self._most} bytes")
        if end < 0:
            if not fed:
                partial += data
            if not partial.startswith(_VERSION[: len(partial)]):
                raise UpstreamProtocolError("the answer is no HTTP/1")
            self._execute(data)
            return None
        head = bytes(partial[:size]) if fed else data[:size]
        if fed:
            partial.clear()
        if not head.startswith(_VERSION):
            raise UpstreamProtocolError("the answer is no HTTP/1")
        self._execute(data[: size - fed])
        self._end_head(head)
        if self._is_head and self.headed:
            self._end_without_body()
        return data[size - fed :]

    def _end_head(self, head: bytes) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._keep_head(head, status)
            return
        if head.count(_LINE_END) > self._most_lines:
            raise self._too_many_headers()
        self._interim += 1
        if status < 100 or status == 101 or head[9] != _INTERIM:
            raise UpstreamProtocolError(f"status {status}, which nobody asked for")
        if self._interim > self._options.max_interim:
            raise UpstreamProtocolError(f"more than {self._options.max_interim} interim answers")
        self.complete = self.reusable = False

    def _keep_head(self, head: bytes, status: int) -> None:
        """Note what a final answer says of itself."""
        if head.count(_LINE_END) > self._most_lines:
            raise self._too_many_headers()
        self.headed = True
        self.status = status
        self.head = head
        lower = head.lower()
        if b"-encoding:" in lower or b"\r\nkeep-alive:" in lower:
            self._read_head(lower)

    def _too_many_headers(self) -> UpstreamTooLarge:
        return UpstreamTooLarge(f"the answer has more than {self._options.max_headers} headers")

    def _read_head(self, head: bytes) -> None:
        """What the transport itself has to know; `head` is in lower case."""
        if b"-encoding:" in head:
            coding = value_of(head, b"\r\ntransfer-encoding:")
            if coding not in (b"", b"chunked"):
                raise UpstreamProtocolError("a transfer coding other than chunked")
            self.encoding = value_of(head, b"\r\ncontent-encoding:")
        if b"\r\nkeep-alive:" in head:
            self.keep_alive = seconds_kept(value_of(head, b"\r\nkeep-alive:"))

    def _end_without_body(self) -> None:
        if not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
            self._parser = None

    # The body

    def _feed_body(self, data: bytes) -> None:
        if self._parser is None:  # after the head of a HEAD answer
            self.extra = True
            return
        self._wire += len(data)
        self._execute(data)
        if self._wire > _FRAMING * self._size + self._most and not self.complete:
            raise UpstreamTooLarge("more framing and trailers than the body accounts for")

    def _frame(self) -> None:
        """How the body will end, asked once for an answer that did not come in one piece."""
        head = self.head.lower()
        length = value_of(head, b"\r\ncontent-length:")
        if int(length or 0) > self._max_bytes:
            raise UpstreamTooLarge(f"the body is longer than {self._max_bytes} bytes")
        self._until_close = not length and b"\r\ntransfer-encoding:" not in head

    def _breaks_follow(self, came: bytes) -> bool:
        """Whether an answer was followed by line breaks, which the parser passes over (RFC 9112 §2.2).

        Asked for a last piece of which not all was body. That is as it should be if the body is chunked, and ends with
        two of them; where its length was told, or there was none, nothing is beside it.
        """
        if b"\r\ntransfer-encoding:" in self.head.lower():
            return len(came) - len(came.rstrip(b"\r\n")) > len(_END)
        return True

    def _execute(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._misread(error)

    def _misread(self, error: Exception) -> None:
        if not self.complete:
            raise UpstreamProtocolError(f"the answer is no HTTP: {error}") from error
        self.extra = True  # whatever it is, it lies beyond the answer
