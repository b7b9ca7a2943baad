"""Five times the load that can be served: `make bench-overload` (FAULTS.md L01).

32 requests may be in flight and each takes 0.1 s: 320 a second can be served. 1,600 a second are offered, whether they
are answered or not, by a process on another core; over connections that are kept, and with a new one for each request.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import quantiles

from benchmarks.common import (
    ROOT,
    Bar,
    Child,
    Children,
    Cores,
    at_least,
    at_most,
    free_port,
    median,
    print_bars,
    print_table,
    unlimited_files,
)

ADMISSION, SECONDS = 32, 0.1
CAPACITY = ADMISSION / SECONDS
TIMES = 5

OWN, STOCK = "fastdag.server.GeventWorker", "gevent"


def start(children: Children, worker: str, core: int) -> tuple[Child, str]:
    """The page and its address. In the own worker the door is the server's, in the stock one the app's."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "benchmarks/contestants/gunicorn_settings.py"]
    command += ["--bind", f"127.0.0.1:{port}", "benchmarks.contestants.waiting:app"]
    env = {"WORKER_CLASS": worker, "ADMISSION": str(ADMISSION)}
    child = children.start(command, core=core, port=port, name=f"overload-{worker}", env=env)
    child.wait_for_words("ready to serve")
    return child, f"http://127.0.0.1:{port}"


def flood(url: str, rate: float, seconds: float, kept: str, core: int) -> dict[str, list[float]]:
    command = [
        "taskset",
        "-c",
        str(core),
        sys.executable,
        "-m",
        "benchmarks.flood",
        url,
        str(rate),
        str(seconds),
        kept,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 30, check=False)
    if done.returncode:
        raise RuntimeError(f"the flood of {url} failed:\n{done.stderr[-2000:]}")
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def p99(latencies: list[float]) -> float:
    return quantiles(latencies, n=100, method="inclusive")[98]


def measure(child: Child, url: str, cores: Cores, *, seconds: float, kept: str) -> tuple[list[object], list[Bar]]:
    """A row of the table, and the bars that the own worker has to clear."""
    calm = flood(f"{url}/page", CAPACITY / 4, 2, kept, cores.load)["200"]
    before = child.rss()
    load = TIMES * CAPACITY
    # Health checks, ten a second, beside the flood.
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flood", f"{url}/livez", "10", str(seconds), "new"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as checking:
        found = flood(f"{url}/page", load, seconds, kept, cores.load)
        health: dict[str, list[float]] = json.loads(checking.communicate(timeout=30)[0])
    served, refused = found.pop("200"), found.pop("503")
    share = len(served) / (CAPACITY * seconds)
    row = [
        f"{share:.0%}",
        *(f"{1e3 * value:.1f}" for value in (median(served), p99(served), median(refused), p99(refused))),
        f"{1e3 * max(health['200']):.1f}",
        sum(map(len, found.values())),
    ]
    bars = [
        at_least(f"{kept} connections: served of what can be", share, 0.9),
        at_most(f"{kept} connections: p99 of the served, beside unloaded", p99(served) / p99(calm), 2),
        at_most(f"{kept} connections: p99 of the refused", p99(refused) * 1e3, 20, "ms"),
        at_most(f"{kept} connections: the slowest /livez", max(health["200"]) * 1e3, 100, "ms"),
        at_most(f"{kept} connections: memory", (child.rss() - before) / 2**20, 16, "MiB more"),
    ]
    return [*row], bars


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each flood")
    options = parser.parse_args()
    unlimited_files()
    cores = Cores.here()
    print(f"{cores}; {TIMES * CAPACITY:.0f} requests per second, of which {CAPACITY:.0f} can be served\n", flush=True)
    rows, bars = [], []
    with Children() as children:
        for worker in (OWN, STOCK):
            child, url = start(children, worker, cores.subject)
            for kept in ("kept", "new"):
                row, found = measure(child, url, cores, seconds=options.seconds, kept=kept)
                rows.append([f"{worker}, {kept} connections", *row])
                bars += found if worker == OWN else []
            children.end(child)
    print_table(["", "served", "p50 ms", "p99 ms", "503: p50 ms", "p99 ms", "/livez, max ms", "other answers"], rows)
    return 0 if print_bars(bars) else 1


if __name__ == "__main__":
    sys.exit(main())
