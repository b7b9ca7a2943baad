"""A real gunicorn with one worker, the scripted upstream in another process, and what must hold after every case."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import gevent
import pytest

from tests.faults import conftest as faults
from tests.faults.conftest import Upstream, eventually
from tests.server.serving import OURS, Client, serving

upstream = faults.upstream  # the fixture: one process for all modules here

JSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n{}"
SECRET = "Bearer secret-of-"


def ok(body: Any = None, *headers: str) -> tuple[str, str]:
    """The step that answers 200 with JSON."""
    text = json.dumps({} if body is None else body)
    return ("send", JSON.format(len(text), "".join(f"{header}\r\n" for header in headers), text))


def status(code: int, *headers: str) -> tuple[str, str]:
    lines = "".join(f"{header}\r\n" for header in headers)
    return ("send", f"HTTP/1.1 {code} Whatever\r\nContent-Length: 0\r\n{lines}\r\n")


class Case:
    """One case: a fresh app in the worker, requests that are written down, and the invariants at the end."""

    def __init__(self, server: Any, upstream: Upstream, log: Any) -> None:
        self.server = server
        self.upstream = upstream
        self.seen: Counter[tuple[str, str, int]] = Counter()
        self.tokens: dict[str, str] = {}
        self._log = log
        self._logged = len(self._lines())
        self._errors = len(server.words())

    def build(self, **settings: Any) -> None:
        """Begin anew, with options for the upstreams by their names; `all` is for each of them."""
        self.upstream.order(forget=True)
        settings = {"url": self.upstream.host().url, **settings}
        with self.server.client() as client:
            built = client.post("/_build", json.dumps(settings).encode(), "Connection: close")
        assert built.status == 200, self.server.words()[-2000:]
        self.before = self.gauges()

    def gauges(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get("/_gauges").json()
        return found

    # -- asking

    def ask(self, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Any:
        """One request on a connection of its own; the answer, after which nothing more may come."""
        with self.server.client() as client:
            length = [f"Content-Length: {len(body)}"] if method == "POST" else []
            lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *length, *headers, "", ""]
            client.send("\r\n".join(lines).encode() + body)
            answer = client.answer()
            assert client.rest() == b"", "more than one answer"
        self.note(method, target, answer.status)
        return answer

    def note(self, method: str, target: str, code: int) -> None:
        self.seen[method, target.partition("?")[0], code] += 1

    def statuses(self, targets: Any, *, every: float = 0.0, method: str = "GET") -> Counter[int]:
        """Ask for all of them without waiting for each other, one `every` so many seconds; the statuses."""
        asking = []
        for target in targets:
            asking.append(gevent.spawn(self.ask, target, method=method))
            if every:
                gevent.sleep(every)
        return Counter(found.get(timeout=10).status for found in asking)

    def leave(self, target: str, *, when: Any) -> None:
        """Ask, and go away once something is so."""
        client = Client(self.server.address)
        client.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert eventually(when)
        client.reset()
        self.note("GET", target, 499)

    def script(self, path: str, *steps: Any, first: Any = None) -> str:
        """What the upstream does with a path."""
        more = {} if first is None else {"first": first}
        self.upstream.order(script=path, steps=list(steps), split=0, **more)
        return path

    def let_go(self, path: str) -> None:
        """Answer all who wait at the `gate` of a path's script, and who come from now on."""
        self.upstream.order(let_go=path)

    def hits(self, path: str) -> int:
        """How often the upstream was asked for a path."""
        found: int = self.upstream.order()["requests"].get(path, 0)
        return found

    def heads(self, path: str) -> list[dict[str, str]]:
        """The headers of the last requests to a path, by lower-case name."""
        found = []
        for head in self.upstream.order()["heads"]:
            first, *lines = head.split("\r\n")
            if first.split(" ")[1].partition("?")[0] == path:
                pairs = [line.partition(": ")[::2] for line in lines]
                assert len({name.lower() for name, _ in pairs}) == len(pairs), head
                found.append({name.lower(): value for name, value in pairs})
        return found

    def circuit(self, name: str = "one") -> dict[str, Any]:
        (found,) = self.gauges()["layers"][name]["breaker"].values()
        return found  # type: ignore[no-any-return]

    def trip(self, name: str = "one") -> None:
        """Have the breaker of `one` or `kept` open, and wait until it would let a probe through."""
        path = "/solo/trip" if name == "one" else "/cached/trip"
        self.script(path, status(500))
        while self.circuit(name)["state"] == "closed":
            self.ask(path)
        assert eventually(lambda: not self.circuit(name)["half_open_in"])

    # -- after every case

    def check(self) -> None:
        """I1 to I10. I11, what a breaker and a budget went through, is the case's own."""
        token = self.upstream.token()
        healthy = self.ask(f"/echo/{token}")
        assert (healthy.status, healthy.json()) == (200, {"token": token})  # I4, I5
        assert eventually(lambda: not self.unquiet(self.gauges())), self.unquiet(self.gauges())
        gauges = self.gauges()
        assert gauges["pid"] == self.before["pid"]  # I9
        assert gauges["rss"] < self.before["rss"] + (48 << 20)  # I8
        assert eventually(lambda: +self.logged() == +self.seen), (self.logged() - self.seen, self.seen - self.logged())
        self.server.get("/_close")
        assert eventually(lambda: self.upstream.order()["open"] == 0)  # I2
        said = self.server.words()[self._errors :] + "".join(self._lines()[self._logged :])
        assert SECRET not in said  # I7

    def unquiet(self, gauges: dict[str, Any]) -> list[str]:
        """Which gauges are not as they were before anything was asked."""
        found = []
        idle = sum(int(re.search(r"(\d+) idle", text)[1]) for text in gauges["connections"].values() if "idle" in text)
        for name, text in gauges["connections"].items():
            if "active" in text and "[0 active" not in text:
                found.append(f"{name} has connections in use: {text}")
        for name, layers in gauges["layers"].items():
            slots = layers.get("bulkhead", {})
            if slots.get("in_flight") or slots.get("waiting"):
                found.append(f"{name}: slots are taken: {slots}")
            if layers.get("cache", {}).get("refreshing") or layers.get("coalesce", {}).get("flights"):
                found.append(f"{name} has something under way: {layers}")
        # `requests` tells nobody how many connections it keeps, and looks up names in gevent's thread pool.
        if all("idle" in text for text in gauges["connections"].values()):
            if gauges["greenlets"] > self.before["greenlets"]:
                found.append(f"{gauges['greenlets']} greenlets were {self.before['greenlets']}")
            if gauges["fds"] - idle > self.before["fds"]:
                found.append(f"{gauges['fds']} descriptors, {idle} idle, were {self.before['fds']}")
            if self.upstream.order()["open"] != idle:
                found.append(f"{self.upstream.order()['open']} upstream sockets are open, {idle} idle")
        if gauges["in_flight"]:
            found.append(f"{gauges['in_flight']} requests are in flight")
        if gauges["heart"] > 0.1:
            found.append(f"the loop was held for {gauges['heart']} s of CPU")
        return found

    def logged(self) -> Counter[tuple[str, str, int]]:
        lines = (line.split(" ") for line in self._lines()[self._logged :])
        return Counter((method, path, int(code)) for method, path, code, *_ in lines if not path.startswith("/_"))

    def _lines(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []


SETTINGS = """
from tests.service.app import post_worker_init
import os
os.environ.update(NETRC={netrc!r}, HTTP_PROXY="http://127.0.0.1:1", HTTPS_PROXY="http://127.0.0.1:1",
                  http_proxy="http://127.0.0.1:1", all_proxy="http://127.0.0.1:1", REQUESTS_CA_BUNDLE="/nowhere")
timeout = 60
"""


def _serve(folder: Any, upstream: Upstream, worker: str) -> Any:
    netrc = folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login nobody password netrc\n")
    netrc.chmod(0o600)
    return serving(
        folder,
        worker=worker,
        options="admission=1024" if worker == OURS else "",
        settings=SETTINGS.format(netrc=str(netrc)),
        program="tests.service.app:shell",
    )


@pytest.fixture(scope="module")
def _ours(tmp_path_factory: Any, upstream: Upstream) -> Any:
    folder = tmp_path_factory.mktemp("ours")
    with _serve(folder, upstream, OURS) as server:
        yield server, folder / "access.log"


@pytest.fixture(scope="module")
def _stock(tmp_path_factory: Any, upstream: Upstream) -> Any:
    folder = tmp_path_factory.mktemp("stock")
    with _serve(folder, upstream, "gevent") as server:
        yield server, folder / "access.log"


@pytest.fixture
def case(_ours: Any, upstream: Upstream) -> Any:
    """On our worker."""
    found = Case(_ours[0], upstream, _ours[1])
    found.build()
    yield found
    found.check()


@pytest.fixture(params=["ours", "stock"])
def either(request: Any, upstream: Upstream) -> Any:
    """On ours, and on gunicorn's own gevent worker."""
    server, log = request.getfixturevalue(f"_{request.param}")
    found = Case(server, upstream, log)
    found.build()
    yield found
    found.check()
