"""The whole service beside what a user would pick instead: `make bench-versus`.

GET /page asks ten upstream calls of 1 KB JSON at once; each is decoded, all are merged, and the result is encoded. The
service has one core, the upstream (nginx) one, the load (wrk) one. Every contestant's answer is compared with what it
must be before it is timed. One that is not installed is named and left out; `--setup` installs what pip and npm can.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import Any

from benchmarks import install
from benchmarks.common import (
    ROOT,
    Bar,
    Child,
    Children,
    Cores,
    Load,
    at_least,
    at_most,
    interleaved,
    median,
    print_bars,
    print_table,
    unlimited_files,
    wrk,
)
from benchmarks.contestants.services import OWN, SERVICES, STOCK, Missing, Setting
from benchmarks.upstream import MERGED, has_lua, start_upstream
from benchmarks.workers import workers

REQUESTS = "Falcon + requests"
AIOHTTP = "aiohttp + uvloop + orjson"
BY_HAND = "Falcon + geventhttpclient"

# At 16 connections at most 160 calls are in flight, which no contestant's default limits touch.
CONNECTIONS = 16
RATE = 50
FLYING = 1_000

# What each way to run fastdag must reach beside others: the bar, and the goal.
BARS: dict[str, dict[str, tuple[float, float | None]]] = {
    STOCK: {REQUESTS: (5, None), AIOHTTP: (1.3, None)},
    OWN: {REQUESTS: (15, 30), AIOHTTP: (4, 6), "Fastify + undici": (1.2, 2), "nginx + Lua": (0.6, 1)},
}


@dataclass(frozen=True, slots=True)
class Bench:
    """What all parts share."""

    children: Children
    cores: Cores
    upstream: str
    rounds: int
    seconds: float
    only: str

    def start(self, names: Iterable[str], **changes: Any) -> dict[str, tuple[Child, str]]:
        """Start what is installed of these, each on the subject's core, and check what it answers."""
        running = {}
        for name in names:
            if self.only.lower() not in name.lower():
                continue
            setting = Setting(**{"upstream": self.upstream, "core": self.cores.subject, **changes})
            try:
                running[name] = SERVICES[name].start(self.children, setting)
            except Missing as missing:
                print(f"{name} is left out: {missing}")
                continue
            check(name, *running[name])
        return running

    def first(self, **changes: Any) -> tuple[str, Child, str] | None:
        """Start fastdag, on its own worker if it is there."""
        for name in (OWN, STOCK):
            for child, url in self.start([name], **changes).values():
                return name, child, url
        return None

    def end(self, running: dict[str, tuple[Child, str]]) -> None:
        for child, _ in running.values():
            self.children.end(child)


def check(name: str, child: Child, url: str) -> None:
    """The answer must be the ten parts, merged."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            found = json.load(answer)
    except OSError as error:
        raise AssertionError(f"{name} answers {error}:\n{child.words()}") from error
    if found != MERGED:
        raise AssertionError(f"{name} answers something else: {json.dumps(found)[:500]}")


@dataclass(frozen=True, slots=True)
class Measured:
    load: Load
    cpu: float  # seconds of the service's CPU per request


def throughput(bench: Bench) -> list[Bar]:
    """Requests per second of every contestant on one core."""
    running = bench.start(SERVICES)
    contestants = {name: partial(_measure, bench, child, url) for name, (child, url) in running.items()}
    for _, url in running.values():
        wrk(url, core=bench.cores.load, seconds=1, connections=CONNECTIONS)  # opens the pools, warms the caches
    found = interleaved(contestants, rounds=bench.rounds)
    bench.end(running)
    rate = {name: median(each.load.rps for each in values) for name, values in found.items()}
    fastest = max(rate.values(), default=0)
    print(
        f"GET /page with ten calls, {CONNECTIONS} connections, {bench.rounds} rounds of {bench.seconds:g} s, medians"
    )
    print_table(
        ["", "requests/s", "beside the fastest", "CPU ms per request", "of its core", "p50 ms", "p99 ms", "errors"],
        [
            [
                name,
                f"{rate[name]:.0f}",
                f"{rate[name] / fastest:.2f} ×",
                f"{median(each.cpu for each in values) * 1e3:.2f}",
                f"{median(each.cpu * each.load.rps for each in values):.0%}",
                f"{median(each.load.p50 for each in values) * 1e3:.1f}",
                f"{median(each.load.p99 for each in values) * 1e3:.1f}",
                sum(each.load.errors for each in values),
            ]
            for name, values in sorted(found.items(), key=lambda item: -rate[item[0]])
        ],
    )
    return [
        at_least(f"{ours} beside {other}", rate[ours] / rate[other], bar, goal=goal)
        for ours, others in BARS.items()
        for other, (bar, goal) in others.items()
        if ours in rate and other in rate
    ]


def _measure(bench: Bench, child: Child, url: str) -> Measured:
    before = child.cpu()
    load = wrk(url, core=bench.cores.load, seconds=bench.seconds, connections=CONNECTIONS)
    return Measured(load, (child.cpu() - before) / max(load.requests, 1))


def latency(bench: Bench) -> list[Bar]:
    """What a graph adds to the time that its upstreams take, at a load that leaves the core mostly idle."""
    if not has_lua():
        print("the latencies are left out: the delayed upstream needs nginx with its Lua module")
        return []
    running = bench.start((OWN, STOCK, BY_HAND), upstream=f"{bench.upstream}/20ms")
    # Two seconds at least: 100 requests, so that a round has a 99th percentile.
    contestants = {name: partial(_paced, bench, url, max(bench.seconds, 2)) for name, (_, url) in running.items()}
    found = interleaved(contestants, rounds=bench.rounds)
    bench.end(running)
    middle = {name: median(p50 for p50, _ in values) * 1e3 for name, values in found.items()}
    tail = {name: median(p99 for _, p99 in values) * 1e3 for name, values in found.items()}
    print(f"ten parallel calls to upstreams that take 20 ms, {RATE} requests per second")
    print_table(["", "p50 ms", "p99 ms"], [[name, f"{middle[name]:.2f}", f"{tail[name]:.2f}"] for name in found])
    bars = []
    for ours in (OWN, STOCK):
        if ours in found and BY_HAND in found:
            bar: tuple[float, float] | tuple[None, None] = (1, 4) if ours == OWN else (None, None)
            bars.append(at_most(f"p50 of {ours}, less {BY_HAND}", middle[ours] - middle[BY_HAND], bar[0], "ms"))
            bars.append(at_most(f"p99 of {ours}, less {BY_HAND}", tail[ours] - tail[BY_HAND], bar[1], "ms"))
    return bars


def _paced(bench: Bench, url: str, seconds: float) -> tuple[float, float]:
    command = ["taskset", "-c", str(bench.cores.load), sys.executable, "-m", "benchmarks.pace", url]
    command += [str(RATE), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
    cuts = quantiles(json.loads(done.stdout), n=100, method="inclusive")
    return cuts[49], cuts[98]


def flight(bench: Bench) -> list[Bar]:
    """Ten thousand calls in flight, to an upstream that takes a second."""
    if not has_lua():
        print("calls in flight are left out: the delayed upstream needs nginx with its Lua module")
        return []
    found = bench.first(upstream=f"{bench.upstream}/1000ms", env={"PATIENT": "1"})
    if found is None:
        return []
    name, child, url = found
    memory, idle = child.rss(), child.descriptors()
    peak, calls = memory, 1
    with ThreadPoolExecutor(1) as pool:
        # Long enough for every connection to be opened in one second and used again in the next ones.
        loading = pool.submit(wrk, url, core=bench.cores.load, seconds=10, connections=FLYING, timeout=30)
        while not loading.done():
            # Every client has a descriptor here and every call one.
            peak, calls = max(peak, child.rss()), max(calls, child.descriptors() - idle - FLYING)
            time.sleep(0.1)
        load = loading.result()
    bench.end({name: (child, url)})
    print(
        f"{name}: {FLYING:,} requests with ten calls each to an upstream that takes 1 s: {load.requests:,} answered,"
    )
    print(f"{load.rps:.0f} per second, p50 {load.p50:.2f} s, p99 {load.p99:.2f} s; {calls:,} calls seen in flight\n")
    return [
        at_most(f"errors with {FLYING:,} × 10 calls in flight", load.errors, 0, "errors"),
        at_most("memory per call in flight", (peak - memory) / calls / 1024, 15, "KiB"),
    ]


PARTS = {"throughput": throughput, "latency": latency, "workers": workers, "flight": flight}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of load, per contestant and round")
    parser.add_argument("--only", default="", help="contestants with this in their name")
    parser.add_argument("--setup", action="store_true", help="install the contestants into benchmarks/.cache first")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if options.setup:
        install.install()
    unlimited_files()
    cores = Cores.here()
    print(f"Python {sys.version.split()[0]}; {cores}\n", flush=True)
    bars: list[Bar] = []
    with Children() as children:
        _, upstream = start_upstream(children, core=cores.upstream)
        bench = Bench(children, cores, upstream, options.rounds, options.seconds, options.only)
        for part in options.parts or PARTS:
            bars += PARTS[part](bench)
    sys.exit(not print_bars(bars))


if __name__ == "__main__":
    main()
