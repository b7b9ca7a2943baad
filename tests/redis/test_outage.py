"""The shared store while its server is dead, stalled, slow or something else: calls go on, and soon cost nothing."""

import time

import gevent
import gevent.event
import pytest
from gevent.server import StreamServer

from fastdag import Cache, Graph, Upstream
from fastdag.context import SCOPE, Scope
from fastdag.upstream.policies.redis import RedisStore
from tests.upstream.policies.scripted import Script, answer, get

BRIEF = 0.05
LONG = 5.0  # of patience with this machine, not with the server


def echo(call):
    return answer(200, call.target.encode())


def test_nobody_is_asked_after_three_failures_but_for_one_now_and_then(store, server):
    one = store(open=2)
    server.kill()
    for _ in range(10):
        assert one.get("t", "v") is None
    assert one.failures() == [("get", "connect")] * 3
    assert one.describe()["skipped"] == 7
    one.clock.now += 2
    for _ in range(10):
        one.set("t", "v", b"x", 60, one.clock.now)
    assert len(one.failures()) == 4
    assert one.describe()["reachable"] is False


def test_one_at_a_time_finds_out_whether_it_is_back(store, server):
    one = store(timeout=BRIEF, open=2)
    server.stall()
    for _ in range(3):
        one.get("t", "v")
    one.clock.now += 2
    gevent.joinall([gevent.spawn(one.get, "t", "v") for _ in range(10)], timeout=LONG, raise_error=True)
    assert len(one.failures()) == 4


def test_too_little_time_for_the_runs_sake_is_not_the_servers_failure(store, server):
    one = store()
    server.stall()
    token = SCOPE.set(Scope(deadline=one.clock.now + 4 * BRIEF))
    try:
        for _ in range(4):
            one.get("t", "v")
    finally:
        SCOPE.reset(token)
    assert one.failures() == [("get", "timeout")] * 4
    assert one.describe()["reachable"] is True


def test_a_loop_that_stood_still_is_not_the_servers_failure(store, server):
    one = store(timeout=BRIEF)
    server.stall()
    asking = [gevent.spawn(one.get, "t", "v") for _ in range(4)]
    gevent.sleep(0)  # they have asked
    one.clock.now += 1
    gevent.joinall(asking, timeout=LONG, raise_error=True)
    assert one.failures() == [("get", "timeout")] * 4
    assert one.describe()["reachable"] is True


def test_it_is_back_with_the_first_answer(store, server):
    one = store(open=2)
    one.set("t", "v", b"before", 60, 1000.0)
    server.kill()
    for _ in range(3):
        one.get("t", "v")
    server.start()
    one.set("t", "v", b"not asked", 60, 1000.0)
    one.clock.now += 2
    one.set("t", "v", b"after", 60, 1000.0)
    assert one.get("t", "v") == b"after"
    assert one.describe()["reachable"] is True


def test_idle_connections_of_a_server_that_was_restarted_are_no_failure(store, server):
    one = store()
    one.set("t", "v", b"x", 60, 1000.0)
    server.kill()
    server.start()
    assert one.get("t", "v") is None
    one.set("t", "v", b"y", 60, 1000.0)
    assert one.get("t", "v") == b"y"
    assert one.failures() == []


def test_while_nobody_can_say_who_may_refresh_everybody_may(store, server):
    one = store()
    server.kill()
    assert one.claim("t", "v", 60) is True


def test_a_stalled_server_costs_its_timeout_three_times(store, server):
    one = store(timeout=BRIEF)
    server.stall()
    began = time.monotonic()
    for _ in range(1000):
        assert one.get("t", "v") is None
    assert time.monotonic() - began < 3 * BRIEF + LONG / 2
    assert one.failures() == [("get", "timeout")] * 3
    assert one.describe()["skipped"] == 997


def test_a_new_connection_to_a_stalled_server_is_bounded_too(store, server):
    server.stall()
    one = store(timeout=BRIEF)
    assert one.get("t", "v") is None
    assert one.failures() == [("get", "timeout")]


def test_more_than_the_connections_are_not_asked_and_do_not_wait(store, server):
    one = store(timeout=BRIEF, connections=4)
    server.stall()
    asking = [gevent.spawn(one.get, "t", "v") for _ in range(20)]
    gevent.joinall(asking, timeout=LONG, raise_error=True)
    assert len(one.failures()) == 4
    assert one.describe()["skipped"] == 16


def test_an_answer_that_nobody_waits_for_any_more_reaches_nobody_else(store, server):
    one = store(failures=100, timeout=8 * BRIEF)  # it has to do for what is not late, too
    for name in "ab":
        one.set(name, "v", name.encode() * 1000, 60, 1000.0)
    server.stall()
    killed = gevent.spawn(one.get, "a", "v")
    gevent.sleep(0)  # it has asked
    killed.kill()
    assert one.get("a", "v") is None  # late
    server.go_on()
    patient = store(timeout=LONG)
    assert patient.get("b", "v") == b"b" * 1000
    assert [one.get(name, "v") for name in "ba"] == [b"b" * 1000, b"a" * 1000]


def test_a_greenlets_own_timeout_is_not_swallowed(store, server):
    one = store(timeout=LONG)
    server.stall()
    with pytest.raises(gevent.Timeout) as raised, gevent.Timeout(BRIEF) as own:
        one.get("t", "v")
    assert raised.value is own
    assert one.failures() == []


@pytest.fixture
def pretender():
    """A server that is no Redis: what it does with a connection is the test's."""
    servers = []

    def start(serve):
        server = StreamServer(("127.0.0.1", 0), serve)
        server.start()
        servers.append(server)
        return f"redis://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.stop(timeout=0)


def test_a_dripping_answer_is_bounded_in_all(store, pretender):
    def drip(connection, _):
        try:
            while connection.send(b"$"):
                gevent.sleep(BRIEF / 4)
        except OSError:
            pass

    one = store(url=pretender(drip), timeout=BRIEF)
    began = time.monotonic()
    assert one.get("t", "v") is None
    assert time.monotonic() - began < LONG
    assert one.failures() == [("get", "timeout")]


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*x\r\n", b"*3\r\n$-5\r\n", b"\x00" * 100, b""]
)
def test_garbage_fails_nobody(store, pretender, said):
    def talk(connection, _):
        connection.recv(65536)
        connection.sendall(said)
        connection.close()

    one = store(url=pretender(talk))
    assert one.get("t", "v") is None
    assert len(one.failures()) == 1


def test_a_server_that_does_not_answer_takes_no_run_with_it(server):
    store = RedisStore(server.url, timeout=LONG)
    transport = Script(answer(200, b'{"a": 1}', content_type="application/json"))
    upstream = Upstream("up", "http://a:1", transport=transport, cache=Cache(ttl=60, store=store))
    graph = Graph("page", timeout=1.0)
    graph.fetch("a", upstream, "/a", output="a")
    server.stall()
    assert graph.run(None).merged == {"a": {"a": 1}}
    assert len(transport.seen) == 1
    upstream.close()


def test_killed_stalled_and_restarted_under_load_no_call_fails(worker, server):
    bench = worker(echo, store={"timeout": BRIEF, "open": 0.05})
    over, answered = gevent.event.Event(), []

    def ask(number):
        while not over.is_set():
            target = f"/{number % 7}"
            assert bench.send(get(target)).content == target.encode()
            answered.append(target)
            gevent.sleep(0.001)

    asking = [gevent.spawn(ask, number) for number in range(16)]

    def until(true):
        with gevent.Timeout(LONG * 4):
            while not true():
                gevent.sleep(0.005)
            before = len(answered)
            while len(answered) < before + 50:
                gevent.sleep(0.005)

    state = bench.stack.vault.describe
    until(lambda: len(bench.told("cache.hit")) > 100)
    for break_it, mend_it in ((server.kill, server.start), (server.stall, server.go_on)):
        break_it()
        until(lambda: not state()["reachable"])
        mend_it()
        hits = len(bench.told("cache.hit"))
        until(lambda hits=hits: state()["reachable"] and len(bench.told("cache.hit")) > hits + 100)
    over.set()
    gevent.joinall(asking, timeout=LONG, raise_error=True)
    assert {told["reason"] for told in bench.told("store.failed")} <= {"connect", "timeout"}
