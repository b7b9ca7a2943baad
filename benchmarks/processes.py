"""Where benchmarks run things: cores, child processes that end in all cases, and wrk."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CACHE",
    "PAGE",
    "ROOT",
    "Child",
    "Children",
    "Cores",
    "Load",
    "busy",
    "ended_children",
    "free_port",
    "pin",
    "unlimited_files",
    "wrk",
]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "benchmarks" / ".cache"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


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
        before = _ticks()
        time.sleep(0.3)
        after = _ticks()
        # Among equals the highest: core 0 takes most interrupts.
        order = sorted(every, key=lambda core: (after[core] - before[core], -core))
        return cls(order[0], order[min(1, len(order) - 1)], order[min(2, len(order) - 1)], tuple(sorted(every)))

    def __str__(self) -> str:
        text = f"{len(self.all)} cores; subject on {self.subject}, upstream on {self.upstream}, load on {self.load}"
        return text if len(self.all) > 2 else f"{text}: TOO FEW for one core each, read ratios with care"


def busy(cores: Iterable[int] | None = None) -> float:
    """Seconds of CPU that some cores, or all of them, have worked so far, for anybody."""
    ticks = _ticks()
    return sum(ticks[core] for core in cores or ticks) / TICKS


def _ticks() -> dict[int, int]:
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


def ended_children() -> float:
    """Seconds of CPU of the children that have ended, each wrk among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
