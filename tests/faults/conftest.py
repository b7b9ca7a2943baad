"""The scripted upstream's process, the transports that are tested, and what must hold after every case."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import gevent
import pytest

from fastdag.deadline import after
from fastdag.upstream.call import Call, Host
from fastdag.upstream.transport.native import NativeTransport
from fastdag.upstream.transport.requests import RequestsTransport
from tests.faults import certificates

ROOT = Path(__file__).parents[2]
TRANSPORTS = {"native": NativeTransport, "requests": RequestsTransport}


class Upstream:
    """The process, as the tests see it."""

    def __init__(self, folder):
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.upstream", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.ports = json.loads(self._process.stdout.readline())
        self._socket = socket.create_connection(("127.0.0.1", self.ports["control"]), timeout=20)
        self._control = self._socket.makefile("rw")
        self._numbers = count()

    def host(self, name="http"):
        if name == "unix":
            return Host.parse(f"unix://{self.folder}/http.sock")
        return Host.parse(f"{'http' if name in ('http', 'mute') else 'https'}://127.0.0.1:{self.ports[name]}")

    def order(self, **order):
        self._control.write(json.dumps(order) + "\n")
        self._control.flush()
        return json.loads(self._control.readline())

    def script(self, *steps, split=0):
        """Register a script; the path it answers to."""
        path = f"/script/{next(self._numbers)}"
        self.order(script=path, steps=list(steps), split=split)
        return path

    def token(self):
        return f"token-{next(self._numbers)}"

    def until_something_arrived(self, name="http"):
        """Wait, without giving the loop a turn, until bytes, or an end, wait unread at a connection to it.

        The kernel's table knows: its columns are number, own address, the other's, state, and the bytes to write and
        to read. State 01 is established, 08 was ended by the other side; sockets that were reset are gone. Those that
        were closed here, in a case before, stay in there for a while.
        """
        other, until = f"0100007F:{self.ports[name]:04X}", time.monotonic() + 5
        while time.monotonic() < until:
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            mine = [line for line in lines if line[2] == other and line[3] in ("01", "08")]
            if not mine or any(line[3] == "08" or int(line[4].partition(":")[2], 16) for line in mine):
                return
        raise AssertionError("nothing arrived")

    def stop(self):
        self._control.close()
        self._socket.close()
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def upstream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upstream")
    certificates.make(folder)
    found = Upstream(folder)
    yield found
    found.stop()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def eventually(condition, seconds=5.0):
    """Whether something comes true within a time that is far more than it needs."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        gevent.sleep(0.005)
    return True


class Client:
    """A transport under test, with the invariants that hold after every case."""

    def __init__(self, transport, upstream):
        self.transport = transport
        self.upstream = upstream
        self.refuses = False
        self._before = descriptors()

    def call(self, path, *, method="GET", host="http", seconds=2.0, body=None, headers=(), **more):
        host = host if isinstance(host, Host) else self.upstream.host(host)
        return self.transport.send(Call(method, path, list(headers), body, host=host, deadline=after(seconds), **more))

    def healthy(self, host="http"):
        """The next call gets its own answer."""
        token = self.upstream.token()
        answer = self.call(f"/echo/{token}", host=host)
        assert (answer.status_code, answer.content) == (200, token.encode())

    def idle(self):
        return int(re.search(r"(\d+) idle", repr(self.transport))[1])

    def check(self):
        if isinstance(self.transport, NativeTransport):
            if not self.refuses:
                self.healthy()
            assert "[0 active," in repr(self.transport)
            assert eventually(lambda: self.upstream.order()["open"] == self.idle()), self.upstream.order()["open"]
        self.transport.close()
        assert eventually(lambda: self.upstream.order()["open"] == 0)
        if isinstance(self.transport, NativeTransport):
            assert eventually(lambda: descriptors() <= self._before), "descriptors are left open"


@pytest.fixture
def make_client(upstream):
    """Makes clients with options of their own; each is checked at the end."""
    made = []

    def make(kind="native", **options):
        upstream.order(forget=True)
        gevent.get_hub().threadpool  # noqa: B018 - what it opens, it opens before descriptors are counted
        made.append(Client(TRANSPORTS[kind](**options), upstream))
        made[-1].refuses = "refuse" in options
        return made[-1]

    yield make
    for client in made:
        client.check()


@pytest.fixture
def client(make_client):
    return make_client()
