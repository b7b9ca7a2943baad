"""One plain HTTP/1.1 connection: a parser, and one request at a time.

                 head        body whole          answered
    IDLE -> HEAD ----> BODY -----------> RUNNING --------> IDLE ...
                                            \\------------> NEXT -> RUNNING ...   (pipelined)
      from any of them, refused or closing: LINGERING -> CLOSED

Everything here runs in the hub, as callbacks, except `send` and `finished`, which the exchange calls in its greenlet.
The socket is watched while a request runs, too, so that the client's departure is seen at once.
"""

from __future__ import annotations

from math import inf
from typing import Any

from fastdag.deadline import now
from fastdag.server.access import Logged
from fastdag.server.environ import Environ, request_environ, unknown_environ
from fastdag.server.exchange import Draining, Exchange
from fastdag.server.head import Head, Peer
from fastdag.server.house import House
from fastdag.server.reader import BadRequest, Reader
from fastdag.server.refuse import Refusal, refusal
from fastdag.server.wire import ClientLeft, Wire, patience

__all__ = ["Connection"]

IDLE, HEAD, BODY, RUNNING, NEXT = "idle", "head", "body", "running", "next"
LINGERING, CLOSED = "lingering", "closed"

#: So many bytes a client may send ahead of the answer it waits for; then its socket fills up.
_AHEAD = 1 << 16

#: After a refusal, bytes are read and dropped for so long and so many: closing on unread bytes resets the connection,
#: and the client may lose the answer (RFC 9112 §9.6).
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 1 << 16

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Wire):
    __slots__ = (
        "_dropped",
        "_exchange",
        "_reading",
        "_since",
        "_state",
        "_surplus",
        "environ",
        "half_closed",
        "house",
    )

    def __init__(self, house: House, sock: Any, peer: Peer, environ: Environ, *, surplus: bool = False) -> None:
        super().__init__(house.loop, sock, write_timeout=house.options.write_timeout)
        self.house = house
        self.environ = environ
        self.half_closed = False
        self._surplus = surplus  # beyond worker_connections: served its health, or told to go away
        self._reading = Reader(house.rules, peer)
        self._state = IDLE
        self._since = now()
        self._dropped = 0
        self._exchange: Exchange | None = None
        self.expires = self._since + house.options.header_timeout
        house.opened(self)

    def __repr__(self) -> str:
        return f"<Connection {self._state} [{self._reading.number} requests]>"

    # What the client sends

    def _readable(self) -> None:
        try:
            data = self.receive()
            if data:
                _TAKE[self._state](self, data)
            elif data is not None:
                self._ended()
        except OSError:
            self._gone()
        except Exception:
            # An exception that reached the loop would stop the watcher for good.
            self.house.log.exception("Error on a connection")
            self.close()

    def _take_request(self, data: bytes) -> None:
        reader = self._reading
        try:
            whole = reader.feed(data)
        except BadRequest as error:
            self.house.log.warning("Invalid request from ip=%s: %s", self.environ["REMOTE_ADDR"] or "-", error.why)
            self._refuse(error.status)
            return
        if whole:
            self._start()
        elif not reader.in_body:
            self._wait_in(HEAD, self.house.options.header_timeout)
        elif self._state is BODY:
            self.expires = patience(self._since, self.house.options.body_timeout, reader.received)
        else:
            self._await_body()

    def _wait_in(self, state: str, seconds: float) -> None:
        if self._state is not state:
            self._state = state
            self._since = now()
            self.expires = self._since + seconds

    def _await_body(self) -> None:
        head = self._reading.head
        assert head is not None
        self._wait_in(BODY, self.house.options.body_timeout)
        if not self._admits(head):
            self._refuse(503)
        elif head.expects_continue and not self._reading.received and not self.send_now(_CONTINUE):
            self.close()

    def _take_ahead(self, data: bytes) -> None:
        self._reading.unread += data
        if len(self._reading.unread) > _AHEAD:
            self.stop_reading()

    def _take_nothing(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > _LINGER_BYTES:
            self.close()

    def _ended(self) -> None:
        """End of file: the client has closed, or only its sending side; TCP does not tell which."""
        exchange = self._exchange
        if self._state is BODY:
            self.half_closed = True
            self._refuse(400)
        elif exchange is None:
            self.close()
        elif exchange.settled or self.house.options.half_close:
            # Readable for ever from now on; a reset is looked for by the heartbeat instead.
            self.half_closed = True
            self.stop_reading()
        else:
            self._gone()

    def _gone(self) -> None:
        exchange = self._exchange
        self.departed = True
        self.close()
        if exchange is not None and not exchange.settled:
            exchange.end(ClientLeft("the client closed the connection"))

    # What becomes of a request

    def _start(self) -> None:
        head, content = self._reading.head, self._reading.content
        assert head is not None
        if not self._admits(head):
            self._refuse(503, close=self._surplus or head.should_close())
            return
        self._state = RUNNING
        self.expires = inf
        self._exchange = Exchange(self, head, content)
        self.house.crew.run(self._exchange.serve)

    def _admits(self, head: Head) -> bool:
        return self.house.admits(head) and not (self._surplus and not self.house.is_health(head))

    def _refuse(self, code: int, *, close: bool = True) -> None:
        """Answer a request that does not get as far as the program."""
        house, head, answer = self.house, self._reading.head, refusal(code)
        house.refused(code, head)
        if house.access.enabled:
            environ = request_environ(self.environ, head, b"") if head else unknown_environ(self.environ)
            house.access.note(Logged(answer.status, answer.length), head or (), environ, now() - self._since)
        close = close or house.closing
        self.send_refusal(answer, head, close=close)
        if close:
            self._linger()
        else:
            self._rest()

    def send_refusal(self, answer: Refusal, head: Head | None, *, close: bool) -> None:
        """An answer of ours; one that a client's socket has no room for is not worth waiting."""
        if not self.send_now(answer.render(self.preamble(close=close), body=head is None or head.method != "HEAD")):
            self.close()

    @property
    def closing(self) -> bool:
        return self.house.closing

    def preamble(self, *, close: bool) -> str:
        return self.house.preambles[close]

    def finished(self, exchange: Exchange) -> None:
        """The exchange is over, whatever came of it."""
        self._exchange = None
        if self._state is not RUNNING:
            return
        if self.departed or self.half_closed:
            self.close()
        elif not exchange.response.should_close():
            self._rest()
        elif self._reading.unread:
            self._linger()
        else:
            self.close()

    # Between requests, and at the end

    def _rest(self) -> None:
        """Wait for the next request, or go on with one that is here already."""
        self._since = now()
        unread = self._reading.unread
        if not unread:
            self._state = IDLE
            self.expires = self._since + self.house.keepalive
            return
        self._state = NEXT
        self.expires = inf
        if len(unread) > _AHEAD:
            self.start_reading()
        self._loop.run_callback(self._go_on)

    def _go_on(self) -> None:
        if self._state is NEXT:
            self._take_request(self._reading.take_unread())

    def expire(self) -> None:
        """The present state has lasted too long. While a request runs, only its sending can."""
        if self._state in (HEAD, BODY):
            self._refuse(408)
        elif self._state is RUNNING:
            self._gone()
        else:
            self.close()

    def look_for_reset(self) -> None:
        """For a client that has closed its sending side: a reset is all that can still be seen of it."""
        if self._state is RUNNING and self.is_reset():
            self._gone()

    def idle_for(self, instant: float) -> float:
        """For how many seconds it has been waiting for a request; less than none if it is not."""
        return instant - self._since if self._state is IDLE else -inf

    def cut(self) -> None:
        """The worker is about to be killed: answer 503 for a program that has not begun to, and end it."""
        exchange = self._exchange
        if exchange is None or exchange.settled:
            return
        if exchange.response.headers_sent:
            exchange.settled = True
            self.close()
        else:
            exchange.response.force_close()
            exchange.refuse(503)
            self._linger()
        exchange.end(Draining("the worker is shutting down"))

    def _linger(self) -> None:
        if self._state is CLOSED:
            return
        self._state = LINGERING
        self._dropped = 0
        self.expires = now() + _LINGER_SECONDS
        if self.half_closed or not self.hang_up():
            self.close()
        else:
            self.start_reading()

    def close(self) -> None:
        if self._state is not CLOSED:
            self._state = CLOSED
            self.dispose()
            self.house.closed(self)


_TAKE = {
    IDLE: Connection._take_request,
    HEAD: Connection._take_request,
    BODY: Connection._take_request,
    RUNNING: Connection._take_ahead,
    NEXT: Connection._take_ahead,
    LINGERING: Connection._take_nothing,
}
