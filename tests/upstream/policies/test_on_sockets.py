"""Policies over real sockets and inside of runs: what the upstream sees, and what a run's deadline counts for."""

import time

import gevent
import pytest
from gevent.server import StreamServer

from fastdag.errors import NodeError, UpstreamError
from fastdag.graph import Graph
from fastdag.upstream.client import Upstream
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.hedge import Hedge
from tests.machine import until


class Service:
    """Counts requests and open connections; each request takes as long as `delays` say, the last for ever after."""

    def __init__(self):
        self.delays = [0.0]
        self.heads = []
        self.open = 0
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _serve(self, connection, _address):
        self.open += 1
        try:
            while head := self._head(connection):
                self.heads.append(head)
                until = time.monotonic() + (self.delays.pop(0) if len(self.delays) > 1 else self.delays[0])
                while time.monotonic() < until:
                    connection.settimeout(until - time.monotonic())
                    try:
                        if not connection.recv(1):
                            return
                    except TimeoutError:
                        break
                connection.settimeout(None)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except OSError:
            pass
        finally:
            self.open -= 1
            connection.close()

    def _head(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return b""
            data += more
        return data


@pytest.fixture
def service():
    found = Service()
    yield found
    found.server.stop()


@pytest.fixture
def upstream(service):
    made = []

    def make(**options):
        made.append(Upstream("up", service.url, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def state(upstream):
    (circuit,) = upstream.stack.circuits.by_url.values()
    return circuit.state


def test_the_loser_of_a_hedge_loses_its_connection(service, upstream):
    up = upstream(hedge=Hedge(after=0.02, extra=1.0), attempt_timeout=30)
    service.delays = [30.0, 0.0]
    assert up.get("/x").status_code == 200
    assert len(service.heads) == 2
    until(lambda: service.open == 1)  # the winner's, kept to be used again


def test_the_upstream_reads_how_long_it_has(service, upstream):
    upstream(timeout=5, attempt_timeout=None).get("/x")
    (line,) = [line for line in service.heads[0].split(b"\r\n") if line.lower().startswith(b"fastdag-deadline:")]
    assert 4 < float(line.split(b":")[1]) <= 5


def test_a_thousand_coalesced_callers_send_one_request(service, upstream):
    up = upstream(coalesce=True)
    service.delays = [0.8]
    callers = [gevent.spawn(up.get, "/x") for _ in range(1000)]
    gevent.joinall(callers)
    assert {caller.value.content for caller in callers} == {b"{}"}
    assert len(service.heads) == 1


@pytest.mark.parametrize(
    ("run", "node", "after"),
    [(0.14, None, "open"), (0.1, 0.05, "open"), (None, 0.05, "open"), (0.04, None, "closed")],
    ids=["run", "both", "node", "too short"],
)
def test_a_run_or_node_that_ends_a_call_at_its_deadline_counts_it_as_timed_out(service, upstream, run, node, after):
    up = upstream(attempt_timeout=0.15)
    service.delays = [30.0]
    graph = Graph("page", timeout=run)
    graph.fetch("answer", up, "/x", timeout=node)
    for _ in range(5):
        with pytest.raises(NodeError):
            graph.run({})
    assert state(up) == after


def test_a_run_that_is_killed_counts_for_nothing(service, upstream):
    up = upstream()
    service.delays = [30.0]
    graph = Graph("page", timeout=30)
    graph.fetch("answer", up, "/x")
    for number in range(6):
        run = gevent.spawn(graph.run, {})
        until(lambda: len(service.heads) > number)  # noqa: B023
        run.kill()
    until(lambda: service.open == 0)
    assert state(up) == "closed"


def test_a_probe_whose_run_ends_gives_its_permit_back(service, upstream):
    up = upstream(breaker=Breaker(open=0.001), retry=None)
    (circuit,) = up.stack.circuits.by_url.values()
    circuit.go("trip")
    service.delays = [30.0, 0.0]
    graph = Graph("page", timeout=30)
    graph.fetch("answer", up, "/x")
    probe = gevent.spawn(graph.run, {})
    until(lambda: service.heads)
    with pytest.raises(UpstreamError):
        up.get("/x")
    probe.kill()
    up.get("/x")
    up.get("/x")
    assert state(up) == "closed"
