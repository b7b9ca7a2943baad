"""A soak: `make soak` for 30 minutes, `SECONDS=300 make soak` for five.

A service runs at half of what it can do here. Its upstream misbehaves now and then (`benchmarks.faulty`), and some of
its clients leave. Every request carries a token of its own, which its upstreams give back: it may be found in no other
answer. Memory is looked at all the time, and may not grow after a third of it. What else could leak is counted in
breaks, when all clients have gone: how much is at work depends on how busy the machine is, what is left does not.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import struct
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from uuid import uuid4

import gevent
from gevent import socket

from benchmarks.common import Bar, Child, Children, Cores, at_least, at_most, free_port, pin, print_bars, print_table
from benchmarks.contestants.services import Setting, gunicorn
from benchmarks.wire import ask, connect, read

FAULTS = 0.05  # of the upstream's answers
LEAVE = 0.05  # of the clients
PAGES = 300
CALIBRATE = 4.0  # seconds
BREAKS = 4  # the last of them at the end
SETTLE = 12.0  # seconds of each: idle connections are given up after 4, hanging upstreams after 3
MB = 1 << 20

TOKEN = re.compile(rb"token-[0-9a-f]{32}")
STATUSES = {200, 502, 503, 504}


class Clients:
    """Asks for pages, over connections that are kept, and looks into the answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[socket.socket] = []
        self.statuses: Counter[int] = Counter()
        self.partial = self.left = self.lost = self.leaks = 0
        self.strange: list[str] = []

    def visit(self, *, may_leave: bool = True) -> None:
        token = f"token-{uuid4().hex}".encode()
        request = b"GET /page/%d HTTP/1.1\r\nHost: localhost\r\nX-Token: %b\r\n\r\n" % (random.randrange(PAGES), token)
        connection = self.idle.pop() if self.idle else connect(self.port)
        try:
            connection.sendall(request)
            if may_leave and random.random() < LEAVE:
                self._leave(connection)
                return
            whole, status = read(connection)
        except OSError as error:
            connection.close()
            self.lost += 1
            self.strange.append(f"no answer: {error!r}")
            return
        self.idle.append(connection)
        self._judge(token, whole, status)

    def _leave(self, connection: socket.socket) -> None:
        gevent.sleep(random.uniform(0, 0.05))
        if random.random() < 0.5:  # linger 0 makes close() a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        self.left += 1

    def _judge(self, token: bytes, whole: bytes, status: int) -> None:
        self.statuses[status] += 1
        self.partial += b"fastdag-complete: false" in whole.lower() and status == 200
        foreign = set(TOKEN.findall(whole)) - {token}
        self.leaks += len(foreign)
        if foreign or status not in STATUSES:
            self.strange.append(whole.decode(errors="replace")[:600])

    def ask_at(self, rate: float, until: float) -> None:
        """So many pages a second, whether or not answers come."""
        start, number, asking = time.monotonic(), 0, set()
        while time.monotonic() < until:
            number += 1
            gevent.sleep(max(0.0, start + number / rate - time.monotonic()))
            visit = gevent.spawn(self.visit)
            asking.add(visit)
            visit.link(asking.discard)
        gevent.joinall(list(asking), timeout=20)

    def ask_as_fast_as_possible(self, seconds: float, at_once: int = 16) -> float:
        """Pages a second."""
        until, before = time.monotonic() + seconds, sum(self.statuses.values())

        def ask() -> None:
            while time.monotonic() < until:
                self.visit(may_leave=False)

        gevent.joinall([gevent.spawn(ask) for _ in range(at_once)])
        return (sum(self.statuses.values()) - before) / seconds

    def go(self) -> None:
        while self.idle:
            self.idle.pop().close()


@dataclass(slots=True)
class Samples:
    """What was there, by name, and when; the service is asked itself where it knows best."""

    service: Child
    port: int
    at: list[float] = field(default_factory=list)
    seen: dict[str, list[float]] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)

    def census(self, query: str = "") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(ask(self.port, f"/_census{query}"))
        return found

    def take(self) -> None:
        census = self.census()
        self.pids.add(census.pop("pid"))
        found = {"rss, MB": self.service.rss() / MB, "descriptors": self.service.descriptors(), **census}
        self.at.append(time.monotonic())
        for name, number in found.items():
            self.seen.setdefault(name, []).append(number)

    def take_until(self, until: float, interval: float) -> None:
        while time.monotonic() < until:
            self.take()
            gevent.sleep(interval)

    def slope(self, name: str) -> float:
        """Growth in ten minutes, of what was seen after the first third: the median over all pairs (Theil and Sen)."""
        start = len(self.at) // 3
        points = list(zip(self.at[start:], self.seen[name][start:], strict=True))
        rises = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2)]
        return statistics.median(rises) * 600

    def rows(self) -> list[list[str]]:
        third = len(self.at) // 3
        rows = []
        for name, numbers in self.seen.items():
            cells = [numbers[0], numbers[third], numbers[-1], min(numbers[third:]), max(numbers[third:])]
            rows.append([name, *(f"{number:.1f}" for number in cells), f"{self.slope(name):+.2f}"])
        return rows


def growth(before: Sequence[Any], after: Sequence[Any]) -> list[list[str]]:
    """The kinds of objects of which there are more: where to look when memory grows."""
    more = Counter(dict(after))
    more.subtract(dict(before))
    return [[kind, f"{number:+}"] for kind, number in more.most_common(8) if number > 0]


def bars(clients: Clients, samples: Samples, breaks: Sequence[dict[str, Any]]) -> list[Bar]:
    most = max(samples.seen["greenlets"])
    answered = sum(clients.statuses.values())
    first, last = breaks[0], breaks[-1]
    return [
        at_most("memory, growth in ten minutes", samples.slope("rss, MB"), 1, "MB"),
        at_most("descriptors in the last break, beside the first", last["fds"] - first["fds"], 2, ""),
        # Greenlets are kept to be used again, as many as once were at work, and some objects with each of them.
        at_most("greenlets in a break", max(each["greenlets"] for each in breaks), most + 20, ""),
        at_most("objects that a request leaves behind", (last["objects"] - first["objects"]) / answered, 0.05, ""),
        at_most("calls in flight in a break", max(each["in_flight"] for each in breaks), 0, ""),
        at_most("tokens in somebody else's answer", clients.leaks, 0, ""),
        at_most("answers 500, and others that are not foreseen", strange(clients), 0, ""),
        at_most("requests without an answer", clients.lost, 0, ""),
        at_most("worker processes", len(samples.pids), 1, ""),
        at_least("whole or partial answers", 100 * clients.statuses[200] / answered, 90, "%"),
    ]


def strange(clients: Clients) -> int:
    return sum(count for status, count in clients.statuses.items() if status not in STATUSES)


def quiet(samples: Samples) -> dict[str, Any]:
    return {**samples.census("?types=1"), "fds": samples.service.descriptors()}


def soak(clients: Clients, samples: Samples, rate: float, seconds: float) -> dict[str, Any]:
    """Some time under load, and then a break; what is there in it."""
    until = time.monotonic() + seconds
    taking = gevent.spawn(samples.take_until, until, max(1.0, seconds / 30))
    clients.ask_at(rate, until)
    taking.get()
    clients.go()
    gevent.sleep(SETTLE)
    return quiet(samples)


def start(children: Children, cores: Cores) -> tuple[Child, int]:
    upstream, port = free_port(), free_port()
    command = [sys.executable, "-m", "benchmarks.faulty", str(upstream), str(FAULTS)]
    children.start(command, core=cores.upstream, port=upstream, name="soak-upstream")
    setting = Setting(f"http://127.0.0.1:{upstream}", cores.subject, name="soak", port=port)
    worker = "fastdag.server.GeventWorker"
    return gunicorn("soak_shop", "fastdag.server:GeventWorker", worker=worker)(children, setting), port


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=1800)
    options.add_argument("--rate", type=float, help="pages a second; without it, half of what can be done")
    given = options.parse_args()
    cores = Cores.here()
    print(cores)
    pin(cores.load)
    with Children() as children:
        service, port = start(children, cores)
        samples, clients = Samples(service, port), Clients(port)
        rate = given.rate or max(10.0, clients.ask_as_fast_as_possible(CALIBRATE) / 2)
        print(f"{rate:.0f} pages a second for {given.seconds:g} s; {FAULTS:.0%} of calls fail, {LEAVE:.0%} leave")
        breaks = [soak(clients, samples, rate, given.seconds / BREAKS) for _ in range(BREAKS)]
    print_table(["", "first", "after a third", "last", "least", "most", "in ten minutes"], samples.rows())
    counted = ("fds", "greenlets", "objects")
    print_table(
        ["in breaks", *map(str, range(1, BREAKS + 1))], [[name, *(b[name] for b in breaks)] for name in counted]
    )
    print_table(["kind of object", "more in the last break"], growth(breaks[0]["types"], breaks[-1]["types"]))
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(clients.statuses.items()))
    print(f"{answers}; {clients.partial} of them partial; {clients.left} clients left")
    for one in clients.strange[:5]:
        print(one)
    met = print_bars(bars(clients, samples, breaks))
    print("the soak is passed" if met else "the soak is FAILED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
