"""The connections to one host, and how a call is sent over one of them.

When a connection is used again, and when not (RFC 9112 §9): the last used one is taken first, so that the others grow
old and are closed; it must not have been idle for too long, nor open for too long, and it must be silent. It may still
be closed by the upstream at the same moment. Then an idempotent call is sent once more on a fresh connection, which
nobody sees; another call only if not a byte of it had left. To make that rare, calls that could not be sent again stay
away from connections that are idle for half as long as the upstream was seen to close them after.
"""

from __future__ import annotations

from collections.abc import Callable
from random import uniform
from typing import Any

from fastdag.deadline import now
from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.upstream.call import Call, Headers, Host, Response, StreamedResponse
from fastdag.upstream.transport.body import RequestLine, framed
from fastdag.upstream.transport.connect import Connector
from fastdag.upstream.transport.connection import Connection
from fastdag.upstream.transport.decode import Decoder, decoded
from fastdag.upstream.transport.heads import Heads
from fastdag.upstream.transport.options import Options
from fastdag.upstream.transport.process import PROCESS
from fastdag.upstream.transport.stream import Body, send_pieces

__all__ = ["HostPool", "OnDrop"]

OnDrop = Callable[[Host, str], None]

# No deadline, as a number of seconds that a timer can count.
_NEVER = 1e7
_JITTER = 0.1
_FOREVER = float("inf")
# For how long it is remembered after how many idle seconds the upstream closes connections.
_LEARNED = 60.0


class HostPool:
    """One host's connections: those in use, and those kept for the next call."""

    __slots__ = (
        "_base",
        "_connecting",
        "_connector",
        "_heads",
        "_host",
        "_idle",
        "_line",
        "_longest_idle",
        "_on_drop",
        "_open",
        "_options",
        "_patience",
        "_patience_until",
        "_sweep_later",
        "hub",
        "pid",
        "retired",
    )

    def __init__(
        self,
        host: Host,
        hub: Any,
        options: Options,
        connector: Connector,
        on_drop: OnDrop,
        sweep_later: Callable[[], None],
    ) -> None:
        self._host = host
        self.hub = hub
        self.pid = PROCESS.pid
        self._options = options
        self._connector = connector
        self._on_drop = on_drop
        self._sweep_later = sweep_later
        self._longest_idle = (options.idle or _FOREVER) if options.reuse else 0.0
        self._line = RequestLine(host)
        self._heads = Heads()
        self._base = host.url.rstrip("/")
        self._idle: dict[Connection, None] = {}  # a set in order of release
        self._open = self._connecting = 0
        #: Whether it was closed, and keeps no connections any more.
        self.retired = False
        self._patience = _FOREVER
        self._patience_until = 0.0

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def active(self) -> int:
        return self._open - len(self._idle) + self._connecting

    def send(self, call: Call) -> Response:
        """One call, on a connection that is there or a new one."""
        started = now()
        deadline = started + _NEVER if call.deadline is None else call.deadline
        if deadline <= started:
            raise UpstreamTimeout("no time is left for the call")
        head, rest, repeatable = self._line.head(call), b"", call.idempotent
        if call.body is not None:
            head, rest = framed(head, call)
            repeatable = repeatable and _repeatable(call)
        connection = self.take(started, _FOREVER if repeatable else self._patience / 2)
        if connection is not None:
            try:
                return self._exchange(connection, call, head, rest, started, deadline)
            except UpstreamConnectError as error:
                if not repeatable and (error.sent or not _repeatable(call)):
                    raise
        return self._exchange(self._connect(deadline), call, head, rest, started, deadline)

    def launch(self, connection: Connection, call: Call, started: float) -> None:
        """Send a call without a body on a connection that was taken, for somebody who listens to it. `land` or
        `Connection.close` has to follow."""
        head = self._line.head(call)
        if connection.closed:  # between `take` and here, by the upstream
            connection.error = UpstreamConnectError("the connection was lost before the call was sent")
            return
        deadline = started + _NEVER if call.deadline is None else call.deadline
        connection.start(head, call.method == "HEAD", call.max_bytes, deadline)

    def land(self, connection: Connection, call: Call, started: float) -> Response:
        """The answer to a call, once it is whole, or what became of it. The connection is kept for the next."""
        if connection.error is not None:
            connection.throw()
        inbound = connection.inbound
        encoding = inbound.encoding
        body, inbound.body = inbound.body, b""  # an idle connection holds on to no body
        if type(body) is not bytes:
            body = bytes(body)
        ended = self._release(connection)
        if encoding and body:
            deadline = started + _NEVER if call.deadline is None else call.deadline
            body = decoded(body, encoding, max_bytes=call.max_bytes, deadline=deadline)
            ended = now()
        return Response(inbound.status, inbound.head, body, self._base + call.target, ended - started)

    def send_afresh(self, call: Call, started: float) -> Response:
        """Send a call without a body again, on a new connection: the old one was stale."""
        deadline = started + _NEVER if call.deadline is None else call.deadline
        return self._exchange(self._connect(deadline), call, self._line.head(call), b"", started, deadline)

    def sweep(self, moment: float) -> bool:
        """Close what has been idle for too long; whether something idle is left."""
        for connection in [found for found in self._idle if moment >= found.usable_until]:
            connection.close("max_age" if moment >= connection.retire_at else "idle")
        return bool(self._idle)

    def close(self, cause: str) -> None:
        self.retired = True
        self._longest_idle = 0.0
        for connection in list(self._idle):
            connection.close(cause)

    def discard(self) -> None:
        for connection in self._idle:
            connection.discard()
        self._idle.clear()

    # Connections

    def take(self, moment: float, most: float = _FOREVER) -> Connection | None:
        """A connection that has not been idle for more than so many seconds, if there is one."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if moment < self._patience_until and moment - connection.idle_since > most:
                self._idle[connection] = None  # the others are older
                return None
            if moment >= connection.usable_until:
                connection.close("max_age" if moment >= connection.retire_at else "idle")
            elif not connection.poll(0) or connection.is_silent():
                return connection
        return None

    def _connect(self, deadline: float) -> Connection:
        options = self._options
        born = now()
        self._connecting += 1
        try:
            wire = self._connector.connect(self._host, min(deadline, born + (options.connect_timeout or _NEVER)))
        finally:
            self._connecting -= 1
        connection = Connection(wire, self.hub, options, self._heads, self._closed)
        connection.retire_at = born + (options.max_age or _FOREVER) * uniform(1 - _JITTER, 1 + _JITTER)
        self._open += 1
        return connection

    def _release(self, connection: Connection) -> float:
        """End an exchange, and keep its connection for the next, or close it; the time."""
        connection.stop()
        moment, inbound = now(), connection.inbound
        idle, promised = self._longest_idle, inbound.keep_alive
        if promised is not None and promised < idle:
            idle = promised
        cut = connection.pending or connection.unfinished
        if cut or not (inbound.reusable and idle) or connection.closed:
            connection.close("unsolicited_bytes" if inbound.extra else "early_answer" if cut else "not_kept_alive")
            return moment
        connection.idle_since = moment
        until = moment + idle
        connection.usable_until = until if until < connection.retire_at else connection.retire_at
        if not self._idle:  # else it was seen to when the first was kept
            self._sweep_later()
        self._idle[connection] = None
        return moment

    def _closed(self, connection: Connection, cause: str) -> None:
        self._open -= 1
        if cause == "closed_by_upstream":
            moment = now()
            self._patience = min(
                moment - connection.idle_since, self._patience if moment < self._patience_until else _FOREVER
            )
            self._patience_until = moment + _LEARNED
        self._idle.pop(connection, None)
        self._on_drop(self._host, cause)

    # Exchanges

    def _exchange(
        self, connection: Connection, call: Call, head: bytes, rest: bytes, started: float, deadline: float
    ) -> Response:
        try:
            connection.start(head, call.method == "HEAD", call.max_bytes, deadline, call.stream)
            if call.body is not None:
                self._write_rest(connection, call, rest, deadline)
            connection.wait()
            if call.stream:
                return self._streamed(connection, call, started, deadline)
        except BaseException as error:
            # A body that is an iterable has a timer of its own, which may be the first to see that time is up.
            connection.close("timeout" if isinstance(error, UpstreamTimeout) else "cancelled")
            raise
        return self.land(connection, call, started)

    def _write_rest(self, connection: Connection, call: Call, rest: bytes, deadline: float) -> None:
        if rest:
            connection.write(rest)
        elif not _repeatable(call):
            send_pieces(connection, call.body, max(0.0, deadline - now()))  # type: ignore[arg-type]

    def _streamed(self, connection: Connection, call: Call, started: float, deadline: float) -> StreamedResponse:
        inbound = connection.inbound
        decoder = None
        if inbound.encoding and call.method != "HEAD":
            decoder = Decoder(inbound.encoding, max_bytes=call.max_bytes, deadline=deadline)
        body = Body(connection, decoder, self._release)
        return StreamedResponse(
            inbound.status,
            Headers(head=inbound.head),
            body,
            body.close,
            url=self._base + call.target,
            elapsed=now() - started,
        )


def _repeatable(call: Call) -> bool:
    return call.body is None or isinstance(call.body, bytes)
