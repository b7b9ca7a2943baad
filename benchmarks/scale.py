"""What a worker, a machine and a fleet carry, predicted and measured: `make bench-scale`. See docs/scale.md.

The model of `benchmarks.model` is fitted on ten calls of 1 KB (at once, and with one of them late), on a route without
calls, and, for what bytes cost, on ten calls of 4 KB. With that it predicts a route with four calls of 10 KB, one of
which takes 20 ms, for one to four workers; then that is measured. What was measured is carried on to a fleet, on paper
and in simulation.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from benchmarks.common import (
    CACHE,
    ROOT,
    Bar,
    Child,
    Children,
    Cores,
    at_most,
    ended_children,
    free_port,
    interleaved,
    median,
    print_bars,
    print_table,
    unlimited_files,
    wrk,
)
from benchmarks.fleet import BALANCERS, Outage, simulate
from benchmarks.model import Costs, Fleet, Page, closed, growth, layout
from benchmarks.processes import busy
from benchmarks.upstream import PARTS, has_lua, start_nginx

SLOWEST = 0.02


def bodies(count: int, size: int) -> list[str]:
    """So many bodies of so many KB."""
    parts = [json.loads(part) for part in PARTS[:size]]
    return [json.dumps({f"part{n}": parts}, ensure_ascii=False, separators=(",", ":")) for n in range(count)]


def page_of(parts: Sequence[str], slowest: float = 0.0) -> Page:
    return Page(len(parts), sum(len(part.encode()) for part in parts) / len(parts) / 1e3, slowest)


BODIES = {"small": PARTS, "wide": bodies(10, 4), "large": bodies(4, 10)}
SMALL_PAGE, WIDE_PAGE, LARGE_PAGE = page_of(PARTS), page_of(BODIES["wide"]), page_of(BODIES["large"], SLOWEST)

# What is asked, and with how many connections for each worker: as many as keep it busy, but for `moderate`.
FULL = 56
ASKED = {
    "none": ("/none", FULL),
    "small": ("/small", FULL),
    "late": ("/late", FULL),
    "wide": ("/wide", FULL),
    "moderate": ("/large", 8),
    "full": ("/large", FULL),
}
TOLERANCE = 20  # %

NGINX = """
default_type application/json; root {folder}; open_file_cache max=100;
location /slow/ {{ alias {folder}/; rewrite_by_lua_block {{ ngx.sleep({slowest}) }} }}
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests per second, errors among them, the median latency, and seconds of CPU per request of all three.

    `lost` is how many of the workers' cores somebody else had meanwhile.
    """

    rate: float
    errors: int
    p50: float
    worker: float
    upstream: float
    load: float
    lost: float


Found = dict[int, dict[str, Measured]]
"""By the number of workers, and by what was asked (`ASKED`)."""


@dataclass(frozen=True, slots=True)
class Running:
    """The service with so many workers, its upstream, and the cores of the load."""

    service: Child
    upstream: Child
    url: str
    cores: Sequence[int]
    load: Sequence[int]

    @property
    def workers(self) -> int:
        return len(self.cores)

    def used(self) -> tuple[float, float, float, float]:
        """Seconds of CPU so far: the workers', the upstream's, that of all loads, and the workers' cores'."""
        return self.service.cpu(), self.upstream.cpu(), ended_children(), busy(self.cores)

    def ask(self, path: str, connections: int, seconds: float) -> Measured:
        start, before = time.monotonic(), self.used()
        load = wrk(f"{self.url}{path}", core=self.load, seconds=seconds, connections=connections * self.workers)
        worker, upstream, asking, all_of_it = (b - a for a, b in zip(before, self.used(), strict=True))
        ours = worker if set(self.load).isdisjoint(self.cores) else worker + upstream + asking
        lost = max(0.0, all_of_it - ours) / (time.monotonic() - start)
        count = load.requests
        return Measured(load.rps, load.errors, load.p50, worker / count, upstream / count, asking / count, lost)

    def check(self, path: str, parts: Sequence[str]) -> None:
        expected = {key: value for part in parts for key, value in json.loads(part).items()}
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            if json.load(answer) != expected:
                raise AssertionError(f"{path} is not what its parts are")


def start(children: Children, cores: Cores, workers: int) -> Running:
    """As `model.layout` says: a core for each worker, and what is left for upstream and load; or all for all."""
    others = [core for core in cores.all if core not in (cores.subject, cores.load, cores.upstream)]
    order = list(dict.fromkeys([cores.subject, *others, cores.load, cores.upstream]))
    left = order[workers:]
    loading, serving = (left[:1], left[-1:]) if left else (order, order)
    folder = CACHE / "scale"
    for name, parts in BODIES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(parts):
            (folder / name / str(number)).write_text(part)
    upstream, port = free_port(), free_port()
    server = NGINX.format(folder=folder, slowest=SLOWEST)
    asked = start_nginx(children, server, core=serving, port=upstream, name=f"scale-upstream-{workers}")
    # With the reference service's own settings, but no log, and no worker that is replaced while it is measured.
    settings = ("-c", str(ROOT / "gunicorn.conf.py"), "--max-requests", "0")
    command = [sys.executable, "-m", "gunicorn", *settings, "benchmarks.contestants.scale_page:app"]
    env = {"BIND": f"127.0.0.1:{port}", "WEB_CONCURRENCY": str(workers), "ACCESS_LOG": ""}
    env["UPSTREAM"] = f"http://127.0.0.1:{upstream}"
    service = children.start(command, core=order[:workers], env=env, port=port, name=f"scale-{workers}")
    service.wait_for_words("Booting worker", times=workers)
    return Running(service, asked, f"http://127.0.0.1:{port}", order[:workers], loading)


def measure(children: Children, cores: Cores, given: argparse.Namespace) -> Found:
    """All that is asked of the services, in turns."""
    asked: dict[tuple[int, str], Callable[[], Measured]] = {}
    for workers in range(1, min(given.workers, len(cores.all)) + 1):
        running = start(children, cores, workers)
        for path, parts in BODIES.items():
            running.check(f"/{path}", parts)
        running.check("/late", PARTS)
        for name, (path, connections) in ASKED.items():
            running.ask(path, connections, 1)  # opens the connections
            asked[workers, name] = partial(running.ask, path, connections, given.seconds)
    seen = interleaved({str(key): ask for key, ask in asked.items()}, rounds=given.rounds)
    found: Found = {}
    for workers, name in asked:
        found.setdefault(workers, {})[name] = middle(seen[str((workers, name))])
    return found


def middle(rounds: Sequence[Measured]) -> Measured:
    """The medians, and the errors of all rounds."""
    medians: dict[str, Any] = {
        what.name: median(getattr(each, what.name) for each in rounds) for what in fields(Measured)
    }
    return replace(Measured(**medians), errors=sum(each.errors for each in rounds))


def fit(found: Found) -> Costs:
    """The costs of one worker. What differs between two routes is taken from all worker counts."""
    whole, factors = growth({workers: each["small"].worker for workers, each in found.items()})

    def dearer(name: str, than: str) -> float:
        return median((each[name].worker - each[than].worker) / factors[count] for count, each in found.items())

    costs = Costs.fitted(
        SMALL_PAGE,
        none=median(each["none"].worker / factors[workers] for workers, each in found.items()),
        whole=whole,
        late=whole + dearer("late", "small"),
        kilobyte=dearer("wide", "late") / WIDE_PAGE.calls / (WIDE_PAGE.size - SMALL_PAGE.size),
        upstream=median(each["late"].upstream for each in found.values()),
        load=median(each["small"].load for each in found.values()),
    )
    return costs.with_growth(factors)


def show_costs(costs: Costs) -> None:
    rows: list[tuple[str, float, str]] = [
        ("a request without calls", costs.request, "none"),
        ("a call, without its bytes", costs.call, "small, less none, less the bytes"),
        ("a KB that comes in and goes out", costs.kilobyte, "wide, less late"),
        ("having to wait", costs.pause, "late, less small"),
        ("a call, to the upstream", costs.upstream, "late"),
        ("a request, to who asks", costs.load, "small"),
    ]
    print_table(["CPU", "µs", "measured in"], [[what, f"{cost * 1e6:.1f}", where] for what, cost, where in rows])
    dearer = ", ".join(f"{workers}: {factor:.2f} ×" for workers, factor in costs.growth.items())
    print(f"the same request with more workers, CPU beside one worker's: {dearer}\n")


def compare(costs: Costs, found: Found, cores: int) -> list[Bar]:
    """The predictions beside what was measured."""
    rows: list[list[str]] = []
    bars: list[Bar] = []
    for workers, measured in found.items():
        for name in ("moderate", "full"):
            seen, (_, each) = measured[name], ASKED[name]
            demands = layout(costs, LARGE_PAGE, workers=workers, cores=cores, lost=seen.lost)
            said = closed(each * workers, demands, LARGE_PAGE.slowest)
            rate, p50 = (100 * (said.rate / seen.rate - 1), 100 * (said.seconds / seen.p50 - 1))
            cells = [f"{said.rate:.0f}", f"{seen.rate:.0f}", f"{rate:+.0f} %"]
            cells += [f"{said.seconds * 1e3:.1f}", f"{seen.p50 * 1e3:.1f}", f"{p50:+.0f} %"]
            cpu = 1e3 * costs.worker(LARGE_PAGE, workers), 1e3 * seen.worker
            cells += [f"{cpu[0]:.3f}", f"{cpu[1]:.3f}", f"{100 * (cpu[0] / cpu[1] - 1):+.0f} %"]
            rows.append([f"{workers}, {each * workers} connections", f"{seen.lost:.2f}", *cells])
            what, off = ("requests per second", rate) if name == "full" else ("latency", p50)
            bars.append(at_most(f"{what}, {rows[-1][0]}: off by", abs(off), TOLERANCE, "%"))
    head = ["requests/s", "measured", "off", "ms", "p50 measured", "off", "CPU ms", "measured", "off"]
    print("four calls of 10 KB, one of them 20 ms slow: predicted, and measured")
    print_table(["workers", "cores lost", *head], rows)
    return bars


def show_fleet(fleet: Fleet) -> None:
    rows = [[what, *(f"{number:,.0f}" for number in fleet.shares(whole))] for what, whole in fleet.rows().items()]
    print(f"{fleet.rate:,.0f} requests/s of ten calls of 1 KB, workers {fleet.busy:.0%} busy:")
    print_table(["", "worker", f"machine, {fleet.cores} cores", f"fleet, {fleet.machines:,} machines"], rows)


def show_simulation(service: float, requests: int) -> None:
    """Latencies in milliseconds of requests whose slowest upstream takes 20 ms."""
    run = partial(simulate, service=service, requests=requests, upstream=SLOWEST)
    rows = []
    for balancer in BALANCERS:
        seen = [run(workers=32, busy=busy, balancer=balancer) for busy in (0.5, 0.7, 0.9)]
        rows.append([balancer, *(f"{each.percentile(share) * 1e3:.1f}" for each in seen for share in (0.5, 0.99))])
    print(f"simulated: 32 workers, {service * 1e3:.2f} ms of CPU a request, upstreams that take 20 ms; in ms")
    print_table(["", *(f"{p} at {busy} %" for busy in (50, 70, 90) for p in ("p50", "p99"))], rows)
    rows = []
    for machines in (2, 3, 4, 10):
        workers, middle = machines * 8, requests * service / (0.7 * machines * 8) / 2
        lost = run(workers=workers, busy=0.7, outage=Outage(middle, 8))
        before, after = lost.percentile(0.99, until=middle) * 1e3, lost.percentile(0.99, after=middle) * 1e3
        busy, refused = 0.7 * machines / (machines - 1), 2 * lost.refused / requests
        rows.append([str(machines), f"{busy:.0%}", f"{before:.1f}", f"{after:.1f}", f"{refused:.1%}"])
    print("simulated: of some machines with 8 workers each, 70 % busy, one is lost")
    print_table(["machines", "busy then", "p99 before, ms", "p99 after, ms", "refused after"], rows)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1, help="of load, per round")
    options.add_argument("--workers", type=int, default=4, help="at most, and at most one for each core")
    options.add_argument("--requests", type=int, default=200_000, help="of each simulation")
    given = options.parse_args()
    if not has_lua():
        print("nothing is measured: an upstream that takes 20 ms needs nginx with its Lua module")
        return 1
    unlimited_files()
    cores = Cores.here()
    print(f"Python {sys.version.split()[0]}; {len(cores.all)} cores\n", flush=True)
    with Children() as children:
        found = measure(children, cores, given)
    costs = fit(found)
    show_costs(costs)
    bars = compare(costs, found, len(cores.all))
    errors = sum(each.errors for measured in found.values() for each in measured.values())
    bars.append(at_most("answers that were errors", errors, 0, ""))
    show_fleet(Fleet(costs, SMALL_PAGE))
    show_simulation(costs.worker(SMALL_PAGE), given.requests)
    return 0 if print_bars(bars) else 1


if __name__ == "__main__":
    sys.exit(main())
