"""A scripted outage: `make bench-outage`.

100 requests a second go to each of two routes. The upstream of one of them works, fails entirely (it resets every
connection), and heals; the other route never asks it. What reached the failing upstream is counted there; what callers
saw is counted here. Callers do not wait for each other: a request leaves when its time has come.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import gevent
from gevent import socket

from benchmarks.common import Bar, Child, Children, Cores, at_most, free_port, pin, print_bars, print_table
from benchmarks.contestants.services import Setting, gunicorn
from benchmarks.wire import connect, read

RATE = 100
MAX_OPEN = 2.0  # as the service's breaker has it
AFTER = MAX_OPEN + 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it left, what came back (0: nothing), and how many seconds that took."""

    left: float
    status: int
    seconds: float


class Caller:
    """Asks one route of the service, over connections that are kept."""

    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self.idle: list[socket.socket] = []
        self.answers: list[Answer] = []

    def ask_for(self, seconds: float) -> None:
        """Ask at `RATE`, whether or not answers come."""
        start = time.monotonic()
        asking = []
        for number in range(round(seconds * RATE)):
            gevent.sleep(max(0.0, start + number / RATE - time.monotonic()))
            asking.append(gevent.spawn(self.ask))
        gevent.joinall(asking)

    def ask(self) -> None:
        start = time.monotonic()
        status = 0
        try:
            connection = self.idle.pop() if self.idle else connect(self.port, 5)
            connection.sendall(self.request)
            _, status = read(connection)
            self.idle.append(connection)
        except OSError:
            pass
        self.answers.append(Answer(start, status, time.monotonic() - start))


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """What happened, and when: failing from `failed` to `healed`."""

    began: float
    failed: float
    healed: float
    through: Sequence[Answer]
    beside: Sequence[Answer]
    came: Sequence[float]

    def phases(self) -> list[tuple[str, float, float]]:
        return [
            ("before", self.began, self.failed),
            ("outage", self.failed, self.healed),
            ("after", self.healed, float("inf")),
        ]

    def rows(self) -> list[list[str]]:
        rows = []
        for name, start, end in self.phases():
            through = [answer for answer in self.through if start <= answer.left < end]
            seconds = [answer.seconds for answer in through]
            beside = [answer.seconds for answer in self.beside if start <= answer.left < end]
            statuses = Counter(answer.status for answer in through)
            rows.append(
                [
                    name,
                    f"{len(through)}",
                    f"{sum(start <= at < end for at in self.came)}",
                    ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items())),
                    *(f"{percentile(seconds, share) * 1e3:.1f}" for share in (0.5, 0.99)),
                    *(f"{percentile(beside, share) * 1e3:.1f}" for share in (0.5, 0.99)),
                ]
            )
        return rows

    def bars(self) -> list[Bar]:
        rejected = [answer for answer in self.through if answer.status == 503 and answer.left < self.healed]
        opened = min((answer.left + answer.seconds for answer in rejected), default=self.healed)
        late = [answer.left for answer in self.through if answer.left >= self.healed and answer.status != 200]
        calm = [answer.seconds for answer in self.beside if answer.left < self.failed]
        stormy = [answer.seconds for answer in self.beside if self.failed <= answer.left < self.healed]
        ratio = percentile(stormy, 0.99) / percentile(calm, 0.99)
        return [
            at_most(
                "calls before the breaker opened", sum(self.failed <= at < opened for at in self.came), 25, "calls"
            ),
            at_most("answers while it was open, p99", percentile([a.seconds for a in rejected], 0.99) * 1e3, 10, "ms"),
            at_most("calls upstream in any second, beside those offered", self.load(), 1.12),
            at_most("seconds from healing to full service", max(late, default=self.healed) - self.healed, 3, "s"),
            at_most("p99 of the other route, beside before", ratio, 1.2),
        ]

    def load(self) -> float:
        """The worst second."""
        offered = Counter(int(answer.left - self.began) for answer in self.through)
        came = Counter(int(at - self.began) for at in self.came)
        full = [second for second, count in offered.items() if count >= RATE * 0.9]
        return max(came[second] / offered[second] for second in full)


def tell(upstream: int, what: str) -> list[float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{upstream}/_{what}", timeout=5) as answer:
        found: list[float] = json.load(answer)
    return found


def run(seconds: float, port: int, upstream: int) -> Outage:
    """The script: the same load before and while it fails, and until it must work again."""
    callers = through, beside = Caller(port, "/through"), Caller(port, "/beside")

    def both(seconds: float) -> None:
        gevent.joinall([gevent.spawn(caller.ask_for, seconds) for caller in callers])

    both(1)  # connections are opened, code is warm
    through.answers.clear()
    beside.answers.clear()
    began = time.monotonic()
    both(seconds)
    tell(upstream, "fail")
    failed = time.monotonic()
    both(seconds)
    tell(upstream, "heal")
    healed = time.monotonic()
    both(AFTER)
    came = [at for at in tell(upstream, "counts") if at >= began]
    return Outage(began, failed, healed, through.answers, beside.answers, came)


def start_upstream(children: Children, core: int, name: str) -> int:
    port = free_port()
    children.start([sys.executable, "-m", "benchmarks.failing", str(port)], core=core, port=port, name=name)
    return port


def start_service(children: Children, cores: Cores, upstream: int, healthy: int) -> tuple[Child, int]:
    port = free_port()
    setting = Setting(
        f"http://127.0.0.1:{upstream}",
        cores.subject,
        env={"HEALTHY": f"http://127.0.0.1:{healthy}"},
        name="outage",
        port=port,
    )
    return gunicorn("outage_shop", "fastdag:App")(children, setting), port


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=30, help="how long it fails, and works before that")
    seconds = options.parse_args().seconds
    cores = Cores.here()
    print(cores)
    pin(cores.load)
    with Children() as children:
        upstream = start_upstream(children, cores.upstream, "outage-failing")
        healthy = start_upstream(children, cores.upstream, "outage-healthy")
        _, port = start_service(children, cores, upstream, healthy)
        outage = run(seconds, port, upstream)
    print(f"{RATE} requests a second to each route; {seconds:g} s of outage; breaker open=.5, max_open={MAX_OPEN:g}")
    columns = ["", "requests", "calls upstream", "answers", "p50, ms", "p99", "other route's p50", "p99"]
    print_table(columns, outage.rows())
    return 0 if print_bars(outage.bars()) else 1


if __name__ == "__main__":
    sys.exit(main())
