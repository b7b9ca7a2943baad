"""What the connections of one worker share: the program, the rules, and the count of what is in flight."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from gunicorn import SERVER
from gunicorn.config import PostRequest, PreRequest

from fastdag.concurrency import crew, get_hub
from fastdag.deadline import now
from fastdag.events import Instruments
from fastdag.pressure import pressure
from fastdag.server.access import AccessLog
from fastdag.server.head import Head
from fastdag.server.options import Options
from fastdag.server.reader import Rules
from fastdag.server.siblings import Seat

if TYPE_CHECKING:
    from fastdag.server.connection import Connection
    from fastdag.server.listener import Listener

__all__ = ["House"]


class House:
    """The state of one worker that serves plain HTTP/1.1. The worker, its listeners and its heartbeat write it."""

    def __init__(self, worker: Any, options: Options, seat: Seat) -> None:
        cfg = worker.cfg
        self.worker = worker
        self.cfg = cfg
        self.log = worker.log
        self.program = worker.wsgi
        self.options = options
        self.rules = Rules(cfg, options.max_request_bytes)
        self.loop = get_hub().loop
        self.crew = crew()
        self.access = AccessLog(worker.log)
        self.pressure = pressure()
        self.instruments: Instruments | None = _instruments_of(worker.wsgi)
        self.connections: set[Connection] = set()
        self.listeners: list[Listener] = []
        self.seat = seat  # beside the other workers, who see how many connections are held here
        self.running = 0
        self.entered = 0.0  # when the last request began
        self.counts = {"served": 0, "refused": 0, "left": 0, "blocked": 0}
        self.holder: str | None = None
        self.draining = False
        self.shedding = False
        self.preambles = ("", "")
        self.keepalive = cfg.keepalive  # gunicorn looks each of its settings up
        self.closing = not cfg.keepalive
        self.before = _hook(worker, "pre_request", PreRequest)
        self.after = _hook(worker, "post_request", PostRequest)
        self.refresh_date()

    def refresh_date(self) -> None:
        """The headers that every answer starts with, once a second: for a kept connection and for a closed one."""
        common = f"Server: {SERVER}\r\nDate: {formatdate(usegmt=True)}\r\nConnection: "
        self.preambles = (common + "keep-alive\r\n", common + "close\r\n")

    def opened(self, connection: Connection) -> None:
        self.connections.add(connection)
        self._count()

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._count()
        for listener in self.listeners:
            listener.relieved()

    def _count(self) -> None:
        if not self.draining:
            self.seat.hold(len(self.connections))

    def begin_draining(self) -> None:
        self.draining = self.closing = True
        self.seat.stand_back()
        if self.instruments is not None:  # it is a fastdag.App, which has health endpoints of its own
            self.program.drain()

    def close_idle(self, seconds: float) -> None:
        """Close the connections that have been waiting for a request for so long."""
        instant = now()
        for connection in list(self.connections):
            if connection.idle_for(instant) >= seconds:
                connection.close()

    def cut(self) -> None:
        """Answer for what still runs, and end it. Called in the hub, as everything that throws."""
        for connection in list(self.connections):
            connection.cut()

    def is_health(self, head: Head) -> bool:
        return head.path in (self.options.live, self.options.ready)

    def admits(self, head: Head) -> bool:
        """Whether a request is served now. Health checks always are, except that who drains is not ready."""
        if self.draining and head.path == self.options.ready:
            return False
        return (self.running < self.options.admission and not self.shedding) or self.is_health(head)

    def enter(self, instant: float) -> None:
        """A request begins; the one that reaches `max_requests` is the last this worker starts to wait for."""
        self.running += 1
        self.entered = instant
        self.pressure.fill = self.running / self.options.admission
        worker = self.worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            self.log.info("Autorestarting worker after current request.")
            worker.restart()

    def leave(self, outcome: str) -> None:
        """A request ended: `served`, or `left` by its client."""
        self.running -= 1
        self.pressure.fill = self.running / self.options.admission
        self.counts[outcome] += 1

    def refused(self, code: int, head: Head | None) -> None:
        self.counts["refused"] += 1
        if code == 503:
            self.emit("request.shed", path=head.path if head else "", request_id="", draining=self.draining)

    def held_by(self, who: str) -> None:
        """The watchdog, in its own thread, has found the loop held; the heartbeat tells how long, once it turns."""
        self.counts["blocked"] += 1
        self.holder = who

    def lagged(self, seconds: float) -> None:
        """The loop turned too late."""
        holder, self.holder = self.holder, None
        if holder is not None:
            self.log.warning("The loop was held for %.0f ms by %s", seconds * 1000, holder)
        self.emit("loop.lagged", seconds=seconds, by=holder)

    def emit(self, name: str, **fields: Any) -> None:
        """Tell the program's instruments, if it has any."""
        if self.instruments is not None and self.instruments.active:
            self.instruments.emit(name, **fields)


def _instruments_of(program: Any) -> Instruments | None:
    found = getattr(program, "instruments", None)
    return found if isinstance(found, Instruments) else None


def _hook(worker: Any, name: str, setting: Any) -> Any:
    """The user's hook, or `None` where it is gunicorn's own that does nothing (or logs at a level that is off)."""
    hook = getattr(worker.cfg, name)
    if hook is not setting.default or worker.cfg.loglevel.lower() == "debug":
        return hook
    return None
