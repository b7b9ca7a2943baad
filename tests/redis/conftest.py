"""A redis-server of the tests' own, on a port of the loopback, that can be killed, stalled and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.upstream.policies.scripted import Bench

pytest.importorskip("redis", reason="the shared store needs the extra: pip install 'fastdag[redis]'")

from fastdag import Cache
from fastdag.upstream.policies.redis import RedisStore

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")

# What tests go by that are not about time: a machine that is busy with something else must not make them fail.
PATIENT = 2.0


class Server:
    """redis-server, as a process."""

    def __init__(self, port: int, directory: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._directory]
        self._process = subprocess.Popen([*command, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        patience = time.monotonic() + 20
        while self.say("PING") != b"+PONG":
            assert time.monotonic() < patience, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stall(self) -> None:
        """It keeps its connections, and the kernel takes new ones for it, but nobody answers."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def go_on(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)

    def say(self, command: str) -> bytes:
        """The first line of what it answers, to a client that shares nothing with the one under test."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(command.encode() + b"\r\n")
                return connection.makefile("rb").readline().strip()
        except OSError:
            return b""


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[Server]:
    if PROGRAM is None:
        pytest.skip("these tests need redis-server (Debian: apt-get install redis-server)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Server(port, str(tmp_path_factory.mktemp("redis")))
    yield server
    server.kill()


@pytest.fixture
def server(running) -> Iterator[Server]:
    """An empty server that answers, whatever the test before did to it."""
    running.kill()
    running.start()
    yield running
    running.go_on()


@pytest.fixture
def worker(server):
    """Makes what a worker has of an upstream: its stack, with a cache in the server. It is closed at the end."""
    made = []

    def make(*steps, name="up", store=None, clock=time.monotonic, **cache):
        kept = RedisStore(server.url, **{"timeout": PATIENT, **(store or {})})
        made.append(Bench(*steps, name=name, clock=clock, cache=Cache(**{"ttl": 60, **cache}, store=kept)))
        return made[-1]

    yield make
    for bench in made:
        bench.stack.close()


@pytest.fixture
def store(server):
    """Makes the store of an upstream in one process, whose clock is turned by hand: `store.clock`."""
    made = []

    def make(name="up", url=server.url, **options):
        bench = Bench(name=name)
        made.append(Watched(RedisStore(url, **{"timeout": PATIENT, **options}).bind(bench.site), bench))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Watched:
    """A store, the clock it goes by, and what it told."""

    def __init__(self, store, bench):
        self.clock = bench.clock
        self.failures = lambda: [(told["operation"], told["reason"]) for told in bench.told("store.failed")]
        for name in ("get", "set", "delete", "claim", "describe", "close"):
            setattr(self, name, getattr(store, name))
