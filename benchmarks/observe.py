"""What observers cost: a page of ten upstream calls with them and without: `make bench-observe`.

One worker of fastdag's own under gunicorn, as in `benchmarks.versus`, serves all contestants: its observers are
changed while it runs, so that nothing else differs. Each is asked a few requests at a time, in turns, and what counts
is the worker's CPU time for them. Beside "nothing" stands the median over all rounds of what the round says: whatever
slows the machine for longer than that slows both.
"""

# ruff: noqa: E402 - everything else is imported after patching

from gevent import monkey

monkey.patch_all()

import argparse
import json
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import gevent

from benchmarks.common import Children, Cores, at_most, free_port, interleaved, median, pin, print_bars, print_table
from benchmarks.contestants.services import Setting, gunicorn
from benchmarks.upstream import MERGED, start_upstream

BAR = 1.08
FEWER = 8  # rounds of all contestants, beside those of the two of the bar
NOTHING, BOTH = "nothing installed", "metrics and timeline"

#: What each contestant has the service install.
CONTESTANTS = {
    NOTHING: "none",
    "metrics": "metrics",
    "timeline": "timeline",
    BOTH: "metrics,timeline",
    "log": "log",
    "traces, exported nowhere": "traces",
}


class Client:
    """One connection that is kept, which asks one thing after another."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._port = port

    def get(self, path: str) -> bytes:
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())
        answer = self._more()
        while b"\r\n\r\n" not in answer:
            answer += self._more()
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{path} answers {head.decode()}")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._more()
        return body

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the service hung up")
        return data

    def close(self) -> None:
        self._socket.close()


class Bench:
    """Some clients that ask at the same time, and what the service says of itself."""

    def __init__(self, port: int, connections: int, requests: int) -> None:
        self._clients = [Client(port) for _ in range(connections)]
        self._requests = requests // connections

    def cost(self, observers: str) -> float:
        """Seconds of the worker's CPU for a request, with these observers."""
        one = self._clients[0]
        one.get(f"/observers/{observers}")
        self._ask(1)  # what comes back into the caches now would have been there
        before = float(one.get("/cpu"))
        self._ask(self._requests)
        return (float(one.get("/cpu")) - before) / (self._requests * len(self._clients))

    def _ask(self, times: int) -> None:
        def ask(client: Client) -> None:
            for _ in range(times):
                client.get("/page")

        gevent.joinall([gevent.spawn(ask, client) for client in self._clients], raise_error=True)

    def check(self, observers: str) -> None:
        one = self._clients[0]
        one.get(f"/observers/{observers}")
        if json.loads(one.get("/page")) != MERGED:
            raise RuntimeError(f"with {observers} the page is something else")

    def close(self) -> None:
        for client in self._clients:
            client.close()


def measure(connections: int, requests: int, rounds: int, only: str) -> bool:
    with Children() as children, ExitStack() as stack:
        cores = Cores.here()
        _, upstream = start_upstream(children, core=cores.upstream)
        setting = Setting(upstream=upstream, core=cores.subject, name="observed", port=free_port())
        gunicorn("observed_page", worker="fastdag.server.GeventWorker")(children, setting)
        pin(cores.load)
        bench = Bench(setting.port, connections, requests)
        stack.callback(bench.close)
        costs: dict[str, Callable[[], float]] = {}
        for name, observers in CONTESTANTS.items():
            if name not in (NOTHING, BOTH) and only not in name:
                continue
            bench.check(observers)
            costs[name] = partial(bench.cost, observers)
        # The two of the bar are some per cent apart, on a machine that is not as quiet as that.
        found = interleaved({name: costs[name] for name in (NOTHING, BOTH)}, rounds=rounds)
        few = max(1, rounds // FEWER)
        others = interleaved(costs, rounds=few)
    print(f"{few} rounds of {requests} requests over {connections} connections")
    print_table(
        ["", "CPU µs per request", "beside nothing, of each round"],
        [[name, f"{median(values) * 1e6:.0f}", f"{beside(others, name):.3f} ×"] for name, values in others.items()],
    )
    print(f"{rounds} rounds of the two below")
    return print_bars([at_most("metrics and timeline beside nothing", beside(found, BOTH), BAR)])


def beside(found: dict[str, list[float]], name: str) -> float:
    """What a contestant costs beside nothing installed: the median over the rounds."""
    return median(cost / least for cost, least in zip(found[name], found[NOTHING], strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--requests", type=int, default=96, help="of each contestant in each round")
    parser.add_argument("--rounds", type=int, default=240, help="of the two of the bar")
    parser.add_argument("--only", default="", help="contestants with this in their name, beside the two of the bar")
    options = parser.parse_args()
    met = gevent.spawn(measure, options.connections, options.requests, options.rounds, options.only).get()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
