"""Undoing a Content-Encoding in bounded steps, so that a small body cannot become a large memory or a long pause.

brotli and zstd join in where a package for them is installed (`brotli` from 1.2 on: older ones cannot stop half-way).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from fastdag.deadline import now
from fastdag.errors import UpstreamDecodeError, UpstreamTimeout, UpstreamTooLarge

try:
    import brotli
except ImportError:
    brotli = None
try:
    import zstandard
except ImportError:
    zstandard = None

__all__ = ["ACCEPTED", "Decoder", "decoded"]

_STEP = 64 << 10
# Of gzip. More of them are made to keep somebody busy: each costs a decoder of its own, and may give nothing.
_MOST_MEMBERS = 1000
# A block of zstd is at most 128 KiB and at least 4 bytes, and the package cannot stop inside of a piece.
_ZSTD_PIECE = 128
# RFC 9659: what a decoder for the web must be able to hold, and so need not exceed.
_ZSTD_WINDOW = 8 << 20
# Nobody sends more than one; each further one multiplies what a byte can become.
_MOST_CODINGS = 2


class _Stage(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """What becomes of a piece, in steps."""

    def ended(self) -> bool:
        """Whether the compressed data is complete."""


class _Zlib:
    """One stream of zlib's: gzip with `wbits=31`, zlib with 15, bare deflate with -15."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._stream: Any = None
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _STEP):  # the rest of a piece is copied for every member that begins in it
            yield from self._feed(data[start : start + _STEP])

    def _feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            self._stream = zlib.decompressobj(self._choose(data))
        while data:
            if self._stream.eof:
                if not data.strip(b"\0"):  # padding
                    return
                self._stream = self._next_member()
            yield self._stream.decompress(data, _STEP)
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        while rest := self._stream.decompress(b"", _STEP):
            yield rest

    def ended(self) -> bool:
        return self._stream is not None and bool(self._stream.eof)

    def _choose(self, data: bytes) -> int:
        return self._wbits

    def _next_member(self) -> Any:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise zlib.error(f"more than {_MOST_MEMBERS} members")
        return zlib.decompressobj(self._wbits)  # RFC 1952 §2.2: gzip members simply follow one another


class _Deflate(_Zlib):
    """deflate means the zlib format (RFC 9110 §8.4.1.2), but some servers send it bare."""

    def __init__(self) -> None:
        super().__init__(15)

    def _choose(self, data: bytes) -> int:
        return 15 if data[0] & 15 == zlib.DEFLATED else -15

    def _next_member(self) -> Any:
        raise zlib.error("bytes after the end")


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.process(data, output_buffer_limit=_STEP)
        # Its can_accept_more_data() says yes with output left, so it is asked until there is none.
        while not self._stream.is_finished() and (rest := self._stream.process(b"", output_buffer_limit=_STEP)):
            yield rest

    def ended(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_PIECE):
            yield self._stream.decompress(data[start : start + _ZSTD_PIECE])

    def ended(self) -> bool:
        return bool(self._stream.eof)


_STAGES: dict[str, Callable[[], _Stage]] = {"gzip": lambda: _Zlib(31), "deflate": _Deflate}
_ERRORS: tuple[type[Exception], ...] = (zlib.error,)
if hasattr(getattr(brotli, "Decompressor", None), "can_accept_more_data"):
    _STAGES["br"] = _Brotli
    _ERRORS += (brotli.error,)
if zstandard is not None:
    _STAGES["zstd"] = _Zstd
    _ERRORS += (zstandard.ZstdError,)

#: What goes into Accept-Encoding.
ACCEPTED = ", ".join(_STAGES)


# Whatever goes wrong here, the upstream has had the request and has answered.
_ANSWERED: dict[str, Any] = {"sent": True, "received": True}


class Decoder:
    """Undoes the codings that one answer names, within its limit on bytes and its deadline."""

    def __init__(self, encoding: bytes, *, max_bytes: int, deadline: float) -> None:
        names = [name.strip().removeprefix("x-") for name in encoding.decode("latin-1").split(",")]
        names = [name for name in names if name not in ("", "identity")]
        unknown = [name for name in names if name not in _STAGES]
        if unknown or len(names) > _MOST_CODINGS:
            raise UpstreamDecodeError(f"the body's content encoding is {encoding.decode('latin-1')!r}", **_ANSWERED)
        self._stages = [_STAGES[name]() for name in reversed(names)]
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._sizes = [0] * len(self._stages)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What becomes of a piece of the body."""
        pieces = iter((data,))
        for number in range(len(self._stages)):
            pieces = self._through(number, pieces)
        try:
            yield from pieces
        except _ERRORS as error:
            raise UpstreamDecodeError(f"the body cannot be decompressed: {error}", **_ANSWERED) from error

    def _through(self, number: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Every stage is bounded for itself: the next may make nothing at all of what this one gives."""
        for data in pieces:
            for piece in self._stages[number].feed(data):
                self._sizes[number] += len(piece)
                if self._sizes[number] > self._max_bytes:
                    raise UpstreamTooLarge(f"the decoded body is longer than {self._max_bytes} bytes", **_ANSWERED)
                if now() > self._deadline:
                    raise UpstreamTimeout("decoding the body took too long", **_ANSWERED)
                if piece:
                    yield piece

    def finish(self) -> None:
        """Says so when the body ended before its content did."""
        if not all(stage.ended() for stage in self._stages):
            raise UpstreamDecodeError("the compressed body is cut", **_ANSWERED)


def decoded(data: bytes, encoding: bytes, *, max_bytes: int, deadline: float) -> bytes:
    """A whole body without its encoding."""
    decoder = Decoder(encoding, max_bytes=max_bytes, deadline=deadline)
    body = b"".join(decoder.feed(data))
    decoder.finish()
    return body
