"""The gunicorn worker: gunicorn's processes, signals and settings around fastdag's own plain HTTP/1.1."""

from __future__ import annotations

from typing import Any, ClassVar

from gunicorn.workers import ggevent

from fastdag.concurrency import Waiter, get_hub, spawn
from fastdag.deadline import now
from fastdag.server.garbage import spare_collector
from fastdag.server.heartbeat import Heartbeat
from fastdag.server.house import House
from fastdag.server.listener import Listener
from fastdag.server.logpump import Pumps
from fastdag.server.options import Options, on_stock_path, refusals
from fastdag.server.siblings import Board, Seat
from fastdag.server.watchdog import Watchdog

__all__ = ["GeventWorker"]


class GeventWorker(ggevent.GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker, with its own plain HTTP/1.1; set it in gunicorn.conf.py.

        worker_class = "fastdag.server.GeventWorker"

    or, with options (see `Options`),

        from fastdag.server import GeventWorker
        worker_class = GeventWorker.using(half_close=True, admission=64)

    TLS, HTTP/2, uwsgi and the PROXY protocol stay on gunicorn's own code.
    """

    options: ClassVar[Options] = Options()

    #: Made here because gunicorn's master imports this before it forks: all workers share the memory.
    board: ClassVar[Board] = Board()

    @classmethod
    def using(cls, **options: Any) -> type[GeventWorker]:
        """This worker with other options; names and values are checked here."""
        unknown = sorted(set(options) - set(Options.names()))
        if unknown:
            raise TypeError(f"the worker has no option {', '.join(unknown)}; it has {', '.join(Options.names())}")
        return type(cls.__name__, (cls,), {"options": Options(**options), "__module__": cls.__module__})

    #: The settings that workers are started with: the last ones that were not refused. The master's to set.
    accepted: ClassVar[Any] = None

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called by gunicorn before the first worker starts; what it raises ends gunicorn with this message."""
        why = on_stock_path(cfg)
        if why is not None:
            log.info("%s is on: connections are served by gunicorn's own gevent worker", why)
        elif problems := refusals(cfg):
            raise RuntimeError("\n".join(problems))
        GeventWorker.accepted = cfg

    @classmethod
    def _reload(cls, cfg: Any, log: Any) -> Any:
        """SIGHUP has brought other settings. Nobody has checked them, and what raises now would end the master."""
        before = cls.accepted
        try:
            cls.check_config(cfg, log)
        except RuntimeError as error:
            log.error("New workers are started with the settings from before, because of the new ones:\n%s", error)
            return before
        return cfg

    def __init__(self, age: int, ppid: int, sockets: Any, app: Any, timeout: float, cfg: Any, log: Any) -> None:
        if self.accepted is not None and self.accepted is not cfg:
            cfg = self._reload(cfg, log)
        super().__init__(age, ppid, sockets, app, timeout, cfg, log)
        self.house: House | None = None
        self._pumps: Pumps | None = None
        self._pause: Waiter | None = None
        self._bell: Any = None
        self._linger = 0.0
        self._quitting = False

    def run(self) -> None:
        if on_stock_path(self.cfg) is not None:
            super().run()
            return
        spare_collector()
        house = self.house = House(self, self.options, Seat(self.board, self.age))
        pumps = self._pumps = Pumps()
        heartbeat = Heartbeat(house)
        watchdog = Watchdog(house, heartbeat, pumps)
        # Signal handlers run in the midst of anything; an async watcher is what they may touch.
        self._bell = house.loop.async_()
        self._bell.start(self._ring)
        house.listeners = [Listener(house, sock) for sock in self.sockets]
        try:
            while self.alive:
                self.notify()
                self._sleep(1.0)
            self._drain(house)
        finally:
            house.seat.leave()
            watchdog.stop()
            heartbeat.stop()
            house.access.close()
            pumps.close()

    def _drain(self, house: House) -> None:
        """End what is in flight, and answer 503 for what does not end before gunicorn's master kills this process."""
        began = now()
        house.begin_draining()
        # Connections keep coming until those who send them have heard of it; in a restart of its own accord a worker
        # leaves them to its siblings and successors.
        while now() < began + self._linger:
            self._turn(0.05)
        for listener in house.listeners:
            listener.close()
        graceful = self.cfg.graceful_timeout
        while house.connections and now() < began + graceful - _margin(graceful):
            house.close_idle(self.options.linger)
            self._turn(0.05)
        if house.connections:
            self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
        house.loop.run_callback(house.cut)
        until = min(now() + 0.5, began + graceful)
        while house.connections and now() < until:
            self._turn(0.05)

    def _turn(self, seconds: float) -> None:
        self.notify()
        self._sleep(seconds)

    def _sleep(self, seconds: float) -> None:
        """Let the loop run for so long, or until a signal."""
        pause = self._pause = Waiter()
        timer = get_hub().loop.timer(seconds)
        timer.start(pause.wake)
        try:
            if self.alive or seconds < 1.0:
                pause.wait()
        finally:
            timer.stop()
            timer.close()

    def _ring(self) -> None:
        if self._pause is not None:
            self._pause.wake()

    def restart(self) -> None:
        """Drain and end, to be replaced: `max_requests` is reached."""
        self.alive = False
        if self._bell is not None:
            self._bell.send()

    def handle_exit(self, sig: Any, frame: Any) -> None:
        self._linger = self.options.linger
        self.restart()

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """Ctrl-C reaches a worker from the terminal, and once more from its master, in the midst of its end."""
        if not self._quitting:
            self._quitting = True
            super().handle_quit(sig, frame)

    def handle_usr1(self, sig: Any, frame: Any) -> None:
        super().handle_usr1(sig, frame)
        if self._pumps is not None:
            spawn(self._pumps.install)


def _margin(graceful: float) -> float:
    """How long before the kill the last answers leave."""
    return min(1.0, graceful * 0.2)
