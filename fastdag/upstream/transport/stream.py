"""Bodies piece by piece: requests made from an iterable, and answers read by one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator

from fastdag.concurrency import Timeout, getcurrent
from fastdag.errors import UpstreamTimeout
from fastdag.upstream.transport.connection import Connection
from fastdag.upstream.transport.decode import Decoder

__all__ = ["Body", "send_pieces"]

_LAST_CHUNK = b"0\r\n\r\n"


def send_pieces(connection: Connection, pieces: Iterable[bytes], seconds: float) -> None:
    """Send an iterable as chunks (RFC 9112 §7.1), no faster than the upstream takes them, until it ends or an answer
    is there. The time bounds the iterable's own waiting too."""
    connection.unfinished = True
    with Timeout(seconds, UpstreamTimeout("the body of the request was not ready in time", sent=True)):
        for piece in _until_answered(connection, pieces):
            if connection.done:
                return
            if not isinstance(piece, (bytes, bytearray, memoryview)):
                raise TypeError(f"the body of a call is made of bytes, not of {type(piece).__name__}")
            if piece:  # an empty chunk would be the last
                connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                connection.drain()
    connection.write(_LAST_CHUNK)
    connection.unfinished = connection.done


class _Answered(BaseException):
    """Thrown into an iterable that waits: its body is not needed any more."""


def _until_answered(connection: Connection, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, as long as nothing has come back. An iterable that waits is interrupted then."""
    caller = getcurrent()

    def news() -> None:
        if connection.done:
            caller.throw(_Answered())
        else:
            connection.listen(news)

    iterator = iter(pieces)
    while not connection.done:
        connection.listen(news)
        try:
            piece = next(iterator)
        except (_Answered, StopIteration):
            return
        finally:
            connection.listen(None)
        yield piece


class Body:
    """A body that is read piece by piece. It holds its connection until it is read to its end, or closed.

    Nobody has to read it: what piles up meanwhile is bounded by the call's limit on bytes, and its deadline closes
    the connection.
    """

    __slots__ = ("_connection", "_decoder", "_pieces", "_release")

    def __init__(
        self, connection: Connection, decoder: Decoder | None, release: Callable[[Connection], object]
    ) -> None:
        self._connection: Connection | None = connection
        self._decoder = decoder
        self._release = release
        self._pieces = self._read(connection)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close("cancelled")
        self._pieces.close()

    def _read(self, connection: Connection) -> Generator[bytes, None, None]:
        try:
            for piece in _arriving(connection):
                if self._decoder is None:
                    yield piece
                else:
                    yield from self._decoder.feed(piece)
            if self._decoder is not None:
                self._decoder.finish()
        except BaseException:
            self._connection = None
            connection.close("cancelled")
            raise
        self._connection = None
        self._release(connection)


def _arriving(connection: Connection) -> Iterator[bytes]:
    while True:
        done, failed = connection.done, connection.error is not None
        if piece := connection.inbound.take():
            yield piece
        if failed:
            connection.throw()
        if done:
            return
        if not connection.inbound.body and not connection.done:
            connection.wait_for_news()
