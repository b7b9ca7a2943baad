"""What every benchmark here needs: cores, child processes, load, interleaved rounds, and a table with its bars.

A figure is the median over rounds, and the contestants take turns within each round: a machine that is busy, warm or
throttled for a while then hurts all of them alike. Every process is pinned to one core (`taskset`), and where the
kernel can do it (`setpriv --pdeathsig`) it ends with the benchmark even if that is killed.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "CACHE",
    "ROOT",
    "Bar",
    "Child",
    "Children",
    "Cores",
    "Load",
    "at_least",
    "at_most",
    "collected",
    "free_port",
    "interleaved",
    "median",
    "per_call",
    "pin",
    "print_bars",
    "print_table",
    "unlimited_files",
    "wrk",
]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "benchmarks" / ".cache"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")

T = TypeVar("T")


# Cores


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core does what: the subject is what is measured, `upstream` answers it, `load` asks it."""

    subject: int
    upstream: int
    load: int
    all: tuple[int, ...]

    @classmethod
    def here(cls) -> Cores:
        """One core each where there are three or more, the subject on the idlest; with two, the others share one."""
        every = os.sched_getaffinity(0)
        before = _busy()
        time.sleep(0.3)
        after = _busy()
        # Among equals the highest: core 0 takes most interrupts.
        order = sorted(every, key=lambda core: (after[core] - before[core], -core))
        return cls(order[0], order[min(1, len(order) - 1)], order[min(2, len(order) - 1)], tuple(sorted(every)))

    def __str__(self) -> str:
        text = f"{len(self.all)} cores; subject on {self.subject}, upstream on {self.upstream}, load on {self.load}"
        return text if len(self.all) > 2 else f"{text}: TOO FEW for one core each, read ratios with care"


def _busy() -> dict[int, int]:
    """What each core has worked so far, for anybody: user, nice and system time, see proc(5)."""
    lines = Path("/proc/stat").read_text().splitlines()
    cores = (line.split() for line in lines if re.match(r"cpu\d", line))
    return {int(fields[0][3:]): sum(map(int, fields[1:4])) for fields in cores}


def pin(core: int | Iterable[int]) -> None:
    """Keep this process on a core, or on several."""
    os.sched_setaffinity(0, {core} if isinstance(core, int) else set(core))


def unlimited_files() -> None:
    """Raise the limit on open files as far as it goes; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# Processes


class Child:
    """A process that a benchmark started, in a session of its own, so that it is ended with all that it started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def pids(self) -> list[int]:
        """The process and its descendants."""
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in task.read_text().split()]
                except OSError:  # a task that has ended meanwhile
                    continue
        return found

    def cpu(self) -> float:
        """Seconds of CPU, user and system, that the process and its descendants have used."""
        return sum(int(field) for stat in self._stats() for field in stat[11:13]) / TICKS

    def rss(self) -> int:
        """Resident bytes of the process and its descendants; pages they share are counted in each."""
        return sum(int(stat[21]) for stat in self._stats()) * PAGE

    def descriptors(self) -> int:
        """Open file descriptors of the process and its descendants."""
        return sum(len(list(Path(f"/proc/{pid}/fd").glob("*"))) for pid in self.pids())

    def _stats(self) -> Iterator[list[str]]:
        for pid in self.pids():
            try:
                # After the name, which may hold anything but ends with the last parenthesis; proc(5) counts from 1.
                yield Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue

    def wait_for_port(self, port: int, *, timeout: float = 20.0) -> None:
        """Return once somebody listens on a port of the loopback; raise with the process's last words otherwise."""

        def listens() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                return False
            return True

        self._wait(listens, f"listen on port {port}", timeout)

    def wait_for_words(self, words: str, *, times: int = 1, timeout: float = 20.0) -> None:
        """Return once the process has printed something so many times."""
        self._wait(lambda: self.log.read_text(errors="replace").count(words) >= times, f"say {words!r}", timeout)

    def _wait(self, done: Callable[[], bool], what: str, timeout: float) -> None:
        until = time.monotonic() + timeout
        while time.monotonic() < until and self.process.poll() is None:
            if done():
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not {what}:\n{self.words()}")

    def words(self) -> str:
        """The end of what the process has printed."""
        return self.log.read_text(errors="replace")[-2000:]

    def end(self) -> None:
        """SIGTERM, and after five seconds SIGKILL for the whole session."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


class Children:
    """The processes of a benchmark; a context manager that ends them all, however it is left."""

    def __init__(self) -> None:
        self._started: list[Child] = []

    def __enter__(self) -> Children:
        # A plain SIGTERM would skip the `with` block's end.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._started:
            child.process.terminate()  # all at once, for some take seconds to go
        while self._started:
            self._started.pop().end()

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        core: int | Iterable[int] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
        port: int | None = None,
        name: str | None = None,
    ) -> Child:
        """Start a process, on a core, and wait until it listens on `port` where one is given."""
        name = name or Path(argv[0]).name
        command = [str(arg) for arg in argv]
        if core is not None:
            command = ["taskset", "-c", ",".join(map(str, [core] if isinstance(core, int) else core)), *command]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        CACHE.mkdir(exist_ok=True)
        log = CACHE / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._started.append(child)
        if port is not None:
            child.wait_for_port(port)
        return child

    def end(self, child: Child) -> None:
        """End one of them now."""
        child.end()
        self._started.remove(child)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# Measuring


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


@contextmanager
def collected() -> Iterator[None]:
    """A block that starts with the garbage collected and is not interrupted by collecting."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def per_call(function: Callable[[], object], *, calls: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one of `calls` calls takes; with `clock=time.process_time`, seconds of CPU."""
    with collected():
        start = clock()
        for _ in range(calls):
            function()
        return (clock() - start) / calls


def interleaved(contestants: Mapping[str, Callable[[], T]], *, rounds: int) -> dict[str, list[T]]:
    """Measure each contestant once a round, for some rounds; every second round goes backwards."""
    found: dict[str, list[T]] = {name: [] for name in contestants}
    for number in range(rounds):
        order = list(contestants) if number % 2 == 0 else list(contestants)[::-1]
        for name in order:
            found[name].append(contestants[name]())
    return found


# Load


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: requests per second, latencies in seconds, and the answers that were none or no success."""

    rps: float
    p50: float
    p99: float
    requests: int
    errors: int


def wrk(
    url: str,
    *,
    core: int | Iterable[int],
    seconds: float,
    connections: int = 32,
    threads: int = 1,
    timeout: float = 10,
) -> Load:
    """Ask a URL as fast as `connections` allow, from a core of its own."""
    cores = ",".join(map(str, [core] if isinstance(core, int) else core))
    report = subprocess.run(
        [
            *("taskset", "-c", cores, "wrk", "--latency", f"-t{threads}", f"-c{connections}"),
            *(f"-d{max(round(seconds), 1)}s", "--timeout", f"{timeout:g}s", url),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + timeout + 10,
        check=True,
    ).stdout
    return _read_wrk(report)


def _read_wrk(report: str) -> Load:
    def number(pattern: str, default: str | None = None) -> str:
        found = re.search(pattern, report)
        if found is None and default is None:
            raise RuntimeError(f"wrk says something unexpected:\n{report}")
        return found[1] if found else str(default)

    def seconds(percentile: int) -> float:
        value = number(rf"{percentile}%\s+([\d.]+[a-z]+)")
        unit = value.lstrip("0123456789.")
        return float(value.removesuffix(unit)) * {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}[unit]

    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report)
    return Load(
        rps=float(number(r"Requests/sec:\s+([\d.]+)")),
        p50=seconds(50),
        p99=seconds(99),
        requests=int(number(r"(\d+) requests in")),
        errors=int(number(r"Non-2xx or 3xx responses: (\d+)", "0"))
        + sum(map(int, socket_errors.groups() if socket_errors else ())),
    )


# Printing


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure beside the bar it has to clear, and the goal beyond where there is one."""

    what: str
    value: float
    bar: float | None
    least: bool
    unit: str = "×"
    goal: float | None = None

    @property
    def met(self) -> bool:
        if self.bar is None:
            return True
        return self.value >= self.bar if self.least else self.value <= self.bar

    def cells(self) -> list[str]:
        sign = "≥" if self.least else "≤"
        bar = "-" if self.bar is None else f"{sign} {_figure(self.bar)} {self.unit}"
        if self.goal is not None:
            bar += f" (goal {self.goal:g})"
        return [
            self.what,
            f"{_figure(self.value)} {self.unit}",
            bar,
            "-" if self.bar is None else "met" if self.met else "MISSED",
        ]


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def at_least(what: str, value: float, bar: float | None, unit: str = "×", *, goal: float | None = None) -> Bar:
    return Bar(what, value, bar, True, unit, goal)


def at_most(what: str, value: float, bar: float | None, unit: str = "×", *, goal: float | None = None) -> Bar:
    return Bar(what, value, bar, False, unit, goal)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A Markdown table, aligned: the first column to the left, the others to the right."""
    lines = [list(map(str, headers)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    lines.insert(1, ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)])
    for line in lines:
        cells = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def print_bars(bars: Sequence[Bar]) -> bool:
    """The bars as a table, if there are any; whether all are met."""
    if bars:
        print_table(["", "measured", "bar", ""], [bar.cells() for bar in bars])
    return all(bar.met for bar in bars)
