"""One connection: a socket, the parser of what comes in, and at most one exchange at a time.

Who does what. The caller's greenlet starts an exchange, writes, and waits; it alone ends the exchange. The loop's
callbacks (`_on_...`) read, write on, and keep the deadline; they settle an exchange, which wakes the caller, as the
last thing they do: by the time the switch comes back, the caller may have started the next exchange here, so a
callback that goes on has to look at `_turn` first. Who wakes the caller takes `_waiting` away; a second finds none.

Why it is made like this:

- One read watcher is started with the connection and kept, also while it is idle: a watcher per read costs more than
  parsing the answer, and this one notices at once that an idle connection is closed or that it talks unasked.
- It is unref'd, so that idle connections keep no loop alive; the deadline's timer is ref'd, so that a wait does.
- Its priority is above the timers'. After a blocked loop both are due, and the answer that is there counts. For what
  is only in the socket by then, a timer that fires looks once more.
- An exception in a callback would stop its watcher for good, with the caller waiting for ever: everything is caught.
- Watchers are stopped before their descriptor is closed, since its number is soon another connection's.
- A forked child has this connection too, with its watcher. It closes its copy of the descriptor and reads nothing:
  the bytes are the parent's.
"""

from __future__ import annotations

from collections.abc import Callable
from select import POLLIN
from typing import Any, NoReturn

from fastdag.concurrency import getcurrent, original
from fastdag.errors import (
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTimeout,
)
from fastdag.upstream.transport.heads import Heads
from fastdag.upstream.transport.options import Options
from fastdag.upstream.transport.parser import Inbound
from fastdag.upstream.transport.process import PROCESS
from fastdag.upstream.transport.waiting import READ, WRITE, Alarm

__all__ = ["Connection"]

_CHUNK = 64 << 10
_poll = original("select", "poll")


def _forked() -> UpstreamRejected:
    return UpstreamRejected("the process was forked, and the call stayed with the parent", reason="cancelled")


class Connection:
    """A connection to one host, in one process and hub. `on_close(connection, cause)` is called once, when it ends.

    `done` says that the exchange is over, as far as the loop is concerned; `error` is what it failed with. What the
    loop has still to send is `pending`. With `unfinished`, the request was not sent to its end, so that nothing else
    can be sent after it.
    """

    __slots__ = (
        "_alarm", "_hub", "_on_close", "_pid", "_reader", "_recv", "_send", "_sent", "_streaming", "_turn",
        "_waiting", "_wire", "_writer", "closed", "done", "error", "idle_since", "inbound", "pending", "poll",
        "retire_at", "stop", "unfinished", "usable_until",
    )  # fmt: skip

    def __init__(
        self, wire: Any, hub: Any, options: Options, heads: Heads, on_close: Callable[[Connection, str], None]
    ) -> None:
        self._wire = wire
        self._recv = wire.recv
        self._send = wire.send
        self._hub = hub
        self._on_close = on_close
        self._pid = PROCESS.pid
        self._turn = 0
        self.done = True
        self.error: UpstreamError | None = None
        self.closed = self.unfinished = self._sent = self._streaming = False
        self._waiting: Any = None
        self._alarm = Alarm(hub.loop, self._on_late)
        #: Ends an exchange; the connection stays open.
        self.stop = self._alarm.rest
        self.pending: bytes | memoryview = b""
        self._writer: Any = None
        self.inbound = Inbound(options, heads)
        self.idle_since = self.retire_at = self.usable_until = 0.0
        fd = wire.fileno()
        poll = _poll()
        poll.register(fd, POLLIN)
        #: `poll(0)` is not empty where an idle connection has something to say; see `is_silent`.
        self.poll = poll.poll
        self._reader = hub.loop.io(fd, READ, ref=False, priority=hub.loop.MAXPRI)
        self._reader.start(self._on_readable)

    # The caller's side

    def start(self, head: bytes, is_head: bool, max_bytes: int, deadline: float, stream: bool = False) -> None:
        """Begin an exchange with the head of its request. Whatever happens to it from here on, `stop` or `close` has
        to follow."""
        self._turn += 1
        self.done = self._sent = False
        self._streaming = stream
        self.inbound.begin(is_head, max_bytes)
        alarm = self._alarm
        alarm.deadline = deadline
        if deadline <= alarm.due:
            alarm.start()
        else:
            alarm.timer.ref = True
        self._put(head)

    def write(self, data: bytes) -> None:
        """Send without waiting; what the socket does not take is sent by the loop."""
        if self.done:  # by a failure
            return
        if self.pending:
            self.pending = bytes(self.pending) + data
        else:
            self._put(data)

    def _put(self, data: bytes) -> None:
        try:
            count = self._send(data)
        except BlockingIOError:
            count = 0
        except OSError as error:
            self._write_failed(error)
            return
        if count:
            self._sent = True
        if count < len(data):
            self.pending = memoryview(data)[count:]
            self._writer = self._hub.loop.io(self._wire.fileno(), WRITE, ref=False)
            self._writer.start(self._on_writable)

    def drain(self) -> None:
        """Wait until all that was written is sent, or the exchange is over."""
        while self.pending and not self.done:
            self.wait_for_news()

    def wait(self) -> None:
        """Wait until the answer is whole (its head, if it is read piece by piece), or raise what became of it."""
        try:
            while not (self.done or (self._streaming and self.inbound.headed)):
                self._waiting = getcurrent().switch  # in no local name: an error would keep it, and the greenlet
                self._hub.switch()
        except BaseException:
            self._waiting = None
            raise
        if self.error is not None:
            self.throw()

    def throw(self) -> NoReturn:
        """Raise what the exchange failed with, once. The error knows this frame: if it could be found from here, all
        of them would wait for the garbage collector."""
        error, self.error = self.error, None
        assert error is not None
        try:
            raise error
        finally:
            del error

    def listen(self, news: Callable[[], object] | None) -> None:
        """Have something called in the loop, once, instead of waiting in a greenlet; `None`: not any more."""
        self._waiting = news

    def wait_for_news(self) -> None:
        """Wait for a callback to wake this greenlet, for whatever reason."""
        self._waiting = getcurrent().switch
        try:
            self._hub.switch()
        finally:
            self._waiting = None

    def close(self, cause: str) -> None:
        """End the exchange and the connection."""
        if self.closed:
            return
        self.closed = self.done = True
        self._alarm.close()
        self._reader.stop()
        self._reader.close()
        self._stop_writing()
        self._wire.close()
        self.inbound.close()
        self._on_close(self, cause)

    def discard(self) -> None:
        """Close the descriptor and touch nothing else: the loop is gone, with its thread."""
        self._wire.close()

    def is_silent(self) -> bool:
        """Whether the connection is open and has nothing to say, as an idle one should. The loop may not have had a
        turn since it was closed."""
        if not self.closed and self.poll(0):
            self._on_readable()
        return not self.closed

    # The loop's side

    def _on_readable(self) -> bool:
        """Read once. True if more is to come and may be there already."""
        try:
            if self._pid != PROCESS.pid:
                raise _forked()
            data = self._recv(_CHUNK)
            if self.done:
                self.close("unsolicited_bytes" if data else "closed_by_upstream")
                return False
            whole = self.inbound.feed(data) if data else self._end()
        except BlockingIOError:
            return False
        except UpstreamError as error:
            error.sent, error.received = self._sent, self.inbound.received
            self._fail(error, error.reason)
            return False
        except Exception as error:
            self._fail(self._lost(str(error)), "broken")
            return False
        if whole:
            self.done = True
            waiting, self._waiting = self._waiting, None  # `_wake`, on the path of every call
            if waiting is not None:
                waiting()
            return False
        if self._streaming and self.inbound.headed:
            self._wake()
        return True

    def _on_writable(self) -> None:
        try:
            if self._pid != PROCESS.pid:
                raise _forked()
            count = self._send(self.pending)
        except BlockingIOError:
            return
        except UpstreamRejected as error:
            self._fail(error, error.reason)
            return
        except Exception as error:
            self._write_failed(error)
            return
        self._sent = True
        self.pending = self.pending[count:]
        if not self.pending:
            self._stop_writing()
            self._wake()

    def _on_late(self) -> None:
        if self.done and self._streaming:  # it is all there, and nobody has read it: what has come can still be read
            self.close("timeout")
            return
        self._last_look(UpstreamTimeout("the answer took too long", sent=self._sent), "timeout")

    def _write_failed(self, error: Exception) -> None:
        # An upstream that has seen enough answers and closes: 413. What it said is still there to be read.
        self._stop_writing()
        self.unfinished = True
        self._last_look(self._lost(str(error)), "broken")

    def _last_look(self, error: UpstreamError, cause: str) -> None:
        """Fail the exchange, unless its answer is in the socket."""
        turn = self._turn
        while turn == self._turn and self._on_readable():
            pass
        if turn == self._turn and not self.done:
            error.received = self.inbound.received
            self._fail(error, cause)

    def _end(self) -> bool:
        """The upstream has closed the connection, cleanly."""
        if not self.inbound.finish():
            raise self._lost("the upstream closed it")
        return True

    def _lost(self, why: str) -> UpstreamError:
        if self.inbound.received:
            return UpstreamProtocolError(f"the answer is cut: {why}", sent=True, received=True)
        return UpstreamConnectError(f"the connection was lost before the answer began: {why}", sent=self._sent)

    def _fail(self, error: UpstreamError, cause: str) -> None:
        self.error = error
        self.close(cause)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()

    def _stop_writing(self) -> None:
        self.pending = b""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.stop()
            writer.close()
