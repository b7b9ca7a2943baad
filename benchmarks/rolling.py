"""Several servers behind nginx, killed, reloaded and rolled under load: `make rolling`.

The shop (`app/`) runs as some gunicorns with some workers each, as pods or machines would, and nginx balances over
them. Clients ask for pages and place orders all the time. What they are answered is counted per phase, and at the end
the orders that the clients were told of are compared with those that the order service has.

A page that fails is asked for again by nginx, on another server. An order never is: one that was on its way through a
process that is killed gets no answer, and may have been placed. No order may be placed twice, and none be lost once it
was confirmed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import gevent
from gevent import socket

from app.services import NAMES
from benchmarks.common import ROOT, Bar, Child, Children, at_most, free_port, print_bars, print_table
from benchmarks.upstream import start_nginx
from benchmarks.wire import ask, connect, read

PAGES, ORDERS = 8, 4  # clients, each of which waits for its answer and then a moment
PAUSE = 0.02
WORKERS = 2

NGINX = """
location / {
    proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_connect_timeout 1s; proxy_read_timeout 10s;
    # A page may be asked for again; an order only if it has not been sent, which nginx sees to by itself.
    proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 3;
}
"""


# The shop's services, with a warehouse that is never empty.
SERVICES = """
from app.services.__main__ import main
from app.services.data import STOCK
for product in STOCK.values():
    product["available"] = 10**9
main()
"""


class Servers:
    """The gunicorns, each with its port: a server that is started again listens where it did."""

    def __init__(self, children: Children, count: int, services: dict[str, str]) -> None:
        self._children = children
        self._services = services
        self.ports = [free_port() for _ in range(count)]
        self.running = [self.start(port) for port in self.ports]

    def start(self, port: int) -> Child:
        environ = {**self._services, "BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": str(WORKERS), "ACCESS_LOG": ""}
        command = [sys.executable, "-m", "gunicorn", "-c", ROOT / "gunicorn.conf.py", "app.main:app"]
        child = self._children.start(command, env=environ, name=f"rolling-{port}")
        until = time.monotonic() + 20
        while not ready(port):
            if time.monotonic() > until:
                raise RuntimeError(f"a server does not get ready:\n{child.words()}")
            gevent.sleep(0.05)
        return child

    def again(self, number: int) -> None:
        """Start a server that has ended."""
        self._children.end(self.running[number])
        self.running[number] = self.start(self.ports[number])

    def kill_a_worker(self) -> None:
        victim = self.running[0].pids()[1]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(workers := self.running[0].pids()[1:]) == WORKERS and victim not in workers)

    def kill_a_server(self) -> None:
        os.killpg(self.running[0].pid, signal.SIGKILL)
        gevent.sleep(1)
        self.again(0)

    def reload(self) -> None:
        """SIGHUP to all of them at once: new workers, then the old ones end."""
        before = {child.pid: set(child.pids()[1:]) for child in self.running}
        for child in self.running:
            os.kill(child.pid, signal.SIGHUP)
        for child in self.running:
            wait_until(lambda child=child: not before[child.pid] & set(child.pids()), 25)

    def roll(self) -> None:
        """One after another is told to end, and started again once it has."""
        for number, child in enumerate(self.running):
            os.kill(child.pid, signal.SIGTERM)
            wait_until(lambda child=child: child.process.poll() is not None, 25)
            if child.process.returncode != 0:
                raise RuntimeError(f"a server ended with {child.process.returncode}:\n{child.words()}")
            self.again(number)


def ready(port: int) -> bool:
    try:
        return bool(ask(port, "/readyz", 1))
    except OSError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise RuntimeError("what was to happen did not, in time")
        gevent.sleep(0.05)


@dataclass(slots=True)
class Clients:
    """What they were answered, by phase and kind; 0 is no answer."""

    port: int
    phase: str = "steady"
    over: bool = False
    answers: dict[str, Counter[tuple[str, int]]] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)
    strange: list[str] = field(default_factory=list)

    def look(self, number: int) -> None:
        request = b"GET /products/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (40 + number % 5)
        self._keep_asking("page", lambda _: request)

    def buy(self, number: int) -> None:
        def order(count: int) -> bytes:
            customer = f"{number}-{count}"
            self.doubtful.add(customer)
            body = json.dumps({"customer": customer, "lines": [{"product_id": 42, "quantity": 1}]}).encode()
            head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
            return f"{head}{len(body)}\r\n\r\n".encode() + body

        def placed(count: int) -> None:
            self.doubtful.remove(f"{number}-{count}")
            self.confirmed.add(f"{number}-{count}")

        self._keep_asking("order", order, placed)

    def _keep_asking(
        self, kind: str, request: Callable[[int], bytes], succeeded: Callable[[int], None] = lambda _: None
    ) -> None:
        connection: socket.socket | None = None
        count = 0
        while not self.over:
            count += 1
            began, status = time.monotonic(), 0
            try:
                connection = connection or connect(self.port)
                connection.sendall(request(count))
                whole, status = read(connection)
                if b"\r\nconnection: close" in whole.lower():
                    connection = None
            except OSError:
                connection = None
            phase = self.phase
            if status in (200, 201):
                succeeded(count)
            elif status:
                self.strange.append(f"{phase}: {whole.decode(errors='replace')[:600]}")
            self.answers.setdefault(phase, Counter())[kind, status] += 1
            self.worst[phase] = max(self.worst.get(phase, 0), time.monotonic() - began)
            gevent.sleep(PAUSE)

    def rows(self) -> list[list[str]]:
        rows = []
        for phase, counts in self.answers.items():
            cells = [
                ", ".join(f"{count} × {status}" for (each, status), count in sorted(counts.items()) if each == kind)
                for kind in ("page", "order")
            ]
            rows.append([phase, *cells, f"{self.worst[phase]:.2f} s"])
        return rows

    def failed(self, kind: str, *phases: str) -> int:
        good = (200, 201)
        return sum(
            count
            for phase in phases
            for (each, status), count in self.answers.get(phase, Counter()).items()
            if each == kind and status not in good
        )


GENTLE = ("steady", "reload", "roll", "at the end")
BRUTAL = ("kill a worker", "kill a server")


def bars(clients: Clients, placed: Counter[str]) -> list[Bar]:
    return [
        at_most("pages that failed", clients.failed("page", *GENTLE, *BRUTAL), 0, ""),
        at_most("orders that failed while nothing was killed", clients.failed("order", *GENTLE), 0, ""),
        # Each client has one on its way at a time.
        at_most("orders without an answer for each kill", clients.failed("order", *BRUTAL) / len(BRUTAL), ORDERS, ""),
        at_most("confirmed orders that are not there", len(clients.confirmed - set(placed)), 0, ""),
        at_most("orders that are there twice", sum(count > 1 for count in placed.values()), 0, ""),
        at_most("orders that nobody has placed", len(set(placed) - clients.confirmed - clients.doubtful), 0, ""),
    ]


def orders_in(port: int) -> Counter[str]:
    """What the order service has, by customer."""
    return Counter(
        json.loads(ask(port, f"/orders/{number}"))["customer"] for number in json.loads(ask(port, "/orders"))
    )


def start_services(children: Children) -> dict[str, int]:
    child = children.start([sys.executable, "-c", SERVICES, "--first-port", "0"], name="rolling-services")
    child.wait_for_words("http://", times=len(NAMES))
    lines = child.log.read_text().splitlines()
    return {name: int(url.rpartition(":")[2]) for name, url in (line.split() for line in lines)}


def run(servers: Servers, clients: Clients, pause: float) -> None:
    clients_at_work = [gevent.spawn(clients.look, number) for number in range(PAGES)]
    clients_at_work += [gevent.spawn(clients.buy, number) for number in range(ORDERS)]
    steps = {
        "kill a worker": servers.kill_a_worker,
        "kill a server": servers.kill_a_server,
        "reload": servers.reload,
        "roll": servers.roll,
    }
    gevent.sleep(pause)
    for name, step in steps.items():
        clients.phase = name
        step()
        gevent.sleep(pause)
    clients.phase = "at the end"
    gevent.sleep(pause)
    clients.over = True
    gevent.joinall(clients_at_work, timeout=30, raise_error=True)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--servers", type=int, default=3, help=f"gunicorns, each with {WORKERS} workers")
    options.add_argument("--pause", type=float, default=2, help="seconds of load after each step")
    given = options.parse_args()
    with Children() as children:
        services = start_services(children)
        urls = {f"SHOP_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in services.items()}
        servers = Servers(children, given.servers, {**urls, "SHOP_PAGE_TIMEOUT": "5"})
        hosts = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in servers.ports)
        clients = Clients(free_port())
        upstream = f"upstream shop {{ {hosts} keepalive 64; keepalive_timeout 30s; }}"
        start_nginx(
            children, NGINX, http=upstream, core=os.sched_getaffinity(0), port=clients.port, name="rolling-nginx"
        )
        run(servers, clients, given.pause)
        placed = orders_in(services["orders"])
    print(f"{given.servers} servers with {WORKERS} workers each; {PAGES} clients ask for pages, {ORDERS} place orders")
    print_table(["", "pages", "orders", "longest wait"], clients.rows())
    for one in clients.strange[:5]:
        print(one)
    return 0 if print_bars(bars(clients, placed)) else 1


if __name__ == "__main__":
    sys.exit(main())
