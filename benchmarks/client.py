"""CPU per upstream call: fastdag's transport and `Upstream` beside the raw floor and the clients of others.

One process and core for all, in turns; the upstream is nginx on another core. Every contestant gets 1 KB of JSON over
a kept connection and decodes it, and what it decodes is compared before anything is timed.
"""

# ruff: noqa: E402 - everything else is imported after patching

from gevent import monkey

monkey.patch_all()

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent

from benchmarks.common import Bar, Children, Cores, at_least, at_most, interleaved, median, per_call, pin, print_bars
from benchmarks.floor import Fan, Floor
from benchmarks.install import python_with
from benchmarks.upstream import CALLS, PARTS, start_upstream
from fastdag.deadline import after
from fastdag.graph import Graph
from fastdag.upstream.call import Call, Host
from fastdag.upstream.client import Upstream
from fastdag.upstream.transport.native import NativeTransport

PATH = "/part/0"
FLOOR = "raw floor: gevent socket + llhttp"
TRANSPORT = "fastdag's transport alone"
UPSTREAM = "fastdag Upstream.get(...).json(), default policies"
DIFFERING = "the same, of an upstream that writes an id into each head"
REQUESTS = "requests.Session, trust_env off"
FAN_FLOOR = "ten recycled greenlets on the raw floor"
GRAPH = "ten fetches in one graph"

Ask = Callable[[], Any]


def requests_session(url: str) -> Ask:
    session = importlib.import_module("requests").Session()
    session.trust_env = False
    return lambda: session.get(url + PATH, timeout=1).json()


def urllib3_pool(url: str) -> Ask:
    pool = importlib.import_module("urllib3").PoolManager()
    return lambda: pool.request("GET", url + PATH, timeout=1).json()


def geventhttpclient(url: str) -> Ask:
    json = importlib.import_module("json")
    client = importlib.import_module("geventhttpclient").HTTPClient.from_url(url, network_timeout=1)
    return lambda: json.loads(client.get(PATH).read())


OTHERS: dict[str, tuple[str, Callable[[str], Ask]]] = {
    REQUESTS: ("requests", requests_session),
    "urllib3.PoolManager": ("urllib3", urllib3_pool),
    "geventhttpclient": ("geventhttpclient", geventhttpclient),
}


def ours(url: str) -> dict[str, Ask]:
    host, transport = Host.parse(url), NativeTransport()
    upstream = Upstream("parts", url, transport=NativeTransport())
    address = (host.name, host.port)
    graph = Graph("ten")
    for number in range(CALLS):
        graph.fetch(f"part{number}", upstream, f"/part/{number}")
    return {
        FLOOR: Floor(address, PATH),
        TRANSPORT: lambda: transport.send(Call("GET", PATH, [], host=host, deadline=after(1))).json(),
        UPSTREAM: lambda: upstream.get(PATH).json(),
        DIFFERING: lambda: upstream.get(f"/differing{PATH}").json(),
        FAN_FLOOR: Fan([Floor(address, f"/part/{number}") for number in range(CALLS)]),
        GRAPH: lambda: graph.run(None),
    }


def check(contestants: dict[str, Ask]) -> None:
    """Everybody has to have the same answer."""
    wanted = importlib.import_module("json").loads(PARTS[0])
    for name, ask in contestants.items():
        if name == FAN_FLOOR:
            assert wanted in ask(), name
        elif name == GRAPH:
            assert ask().node_data["part0"] == wanted, name
        else:
            assert ask() == wanted, name


def bars(cost: dict[str, float]) -> list[Bar]:
    found = [
        at_most(f"{TRANSPORT} / floor", cost[TRANSPORT] / cost[FLOOR], 1.3),
        at_most(f"{UPSTREAM} / floor", cost[UPSTREAM] / cost[FLOOR], 1.7),
        at_most(f"{GRAPH}, per call / {FAN_FLOOR}", cost[GRAPH] / cost[FAN_FLOOR], 1.6),
    ]
    if REQUESTS in cost:
        found.append(at_least(f"{REQUESTS} / {UPSTREAM}", cost[REQUESTS] / cost[UPSTREAM], 8))
    return found


def measure(contestants: dict[str, Ask], rounds: int, calls: int) -> dict[str, float]:
    """Microseconds of CPU per call, user and system: the median of the rounds."""

    def once(name: str, ask: Ask) -> float:
        each = CALLS if name in (FAN_FLOOR, GRAPH) else 1
        return per_call(ask, calls=calls // each, clock=time.process_time) / each * 1e6

    found = interleaved({name: partial(once, name, ask) for name, ask in contestants.items()}, rounds=rounds)
    return {name: median(values) for name, values in found.items()}


def run(url: str, rounds: int, calls: int) -> bool:
    contestants = ours(url)
    for name, (module, make) in OTHERS.items():
        try:
            contestants[name] = make(url)
        except ImportError:
            print(f"{name} is left out: {module} is not installed")
    check(contestants)
    cost = measure(contestants, rounds, calls)
    for name, value in sorted(cost.items(), key=lambda pair: pair[1]):
        print(f"{value:8.1f} µs  {name}")
    print()
    return print_bars(bars(cost))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    python = python_with("geventhttpclient")
    if python is not None and python != type(python)(sys.executable):
        os.execv(python, [str(python), "-m", "benchmarks.client", *sys.argv[1:]])
    cores = Cores.here()
    with Children() as children:
        _, url = start_upstream(children, core=cores.upstream)
        pin(cores.subject)
        # In a greenlet, as under a server; the main one has a hub to itself.
        met = gevent.spawn(run, url, options.rounds, options.calls).get()
    sys.exit(not met)


if __name__ == "__main__":
    main()
