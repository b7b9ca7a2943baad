"""What flights could get wrong and calls through the layers do not: each case is made both ways."""

from collections import Counter
from contextvars import ContextVar

import gevent
import pytest
from gevent.event import Event
from gevent.server import StreamServer

from fastdag import Graph, NodeError, Request, Retry, Upstream
from fastdag.context import Context
from fastdag.events import TOGETHER, Gathered
from fastdag.testing import FakeUpstream, answer, status

OK = {"id": 1}


@pytest.fixture
def fake():
    with FakeUpstream() as found:
        found.on("GET /warm/*", {})
        yield found


@pytest.fixture(params=["flying", "on the ground"])
def make(request, fake):
    """An upstream with some idle connections."""
    made = []

    def make(url=None, *, idle=1, **options):
        upstream = Upstream("parts", url or fake.url, **options)
        if request.param != "flying":
            upstream.stack.runway = None
        made.append(upstream)
        opened = Event()
        fake.on("GET /warm/*", lambda call: opened.wait() and {})
        warming = [gevent.spawn(upstream.get, f"/warm/{number}") for number in range(idle)]
        before = len(fake.calls)
        while url is None and len(fake.calls) < before + idle:
            gevent.sleep(0)
        opened.set()
        gevent.joinall(warming, raise_error=True)
        return upstream

    yield make
    for upstream in made:
        upstream.close()


def one(upstream, **options):
    graph = Graph("page", timeout=5)
    graph.fetch("a", upstream, options.pop("path", "/part/a"), output="a", **options)
    return graph


def test_headers_to_return_are_the_nodes(fake, make):
    fake.on("GET /part/a", answer(OK, headers={"X-Total": "1"}))
    context = Context()
    one(make(), return_headers={"X-Total": "first"}).run(context)
    assert list(context.parts) == ["a"]


def test_a_run_that_is_over_sends_nothing_and_changes_nothing(fake, make):
    """A function that swallows its cancellation goes on to ask."""

    def build(context):
        try:
            gevent.sleep(30)
        except BaseException:
            pass
        return Request("GET", "/part/a")

    graph = one(make(), path=build, optional=True)

    @graph.node(output="b")
    def b(context):
        gevent.sleep(0)
        raise ValueError("no")

    with pytest.raises(NodeError) as caught:
        graph.run({})
    before = {id: outcome.state for id, outcome in caught.value.result.outcomes.items()}
    for _ in range(20):
        gevent.sleep(0)
    assert {id: outcome.state for id, outcome in caught.value.result.outcomes.items()} == before
    assert not [call for call in fake.calls if call.path == "/part/a"]


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_failures_in_one_turn_all_count_and_the_first_declared_decides(fake, make, names):
    opened = Event()
    fake.on("GET /part/*", lambda call: opened.wait() and status(500))
    upstream = make(idle=2)
    graph = Graph("page", timeout=5)
    for name in names:
        graph.fetch(name, upstream, f"/part/{name}", output=name)
    before = len(fake.calls)
    running = gevent.spawn(graph.run, {})
    while len(fake.calls) < before + 2:
        gevent.sleep(0)
    opened.set()
    with pytest.raises(NodeError) as caught:
        running.get(timeout=5)
    (circuit,) = upstream.stack.circuits.describe().values()
    assert (caught.value.node_id, circuit["failures"]) == (names[0], 2)


def test_calls_in_flight_are_calls_to_the_budget(fake, make):
    opened = Event()
    fake.on("GET /slow/*", lambda call: opened.wait() and OK)
    upstream = make(idle=4, retry=Retry(budget=0.5, budget_per_second=0))
    before = upstream.describe()["budget"]["calls"]
    graph = Graph("page", timeout=5)
    for number in range(4):
        graph.fetch(f"s{number}", upstream, f"/slow/{number}")
    asked = len(fake.calls)
    running = gevent.spawn(graph.run, {})
    while len(fake.calls) < asked + 4:
        gevent.sleep(0)
    assert upstream.describe()["budget"]["calls"] == before + 4
    opened.set()
    running.get(timeout=5)
    assert upstream.describe()["budget"]["calls"] == before + 4


def test_what_was_spawned_is_gone_when_the_run_returns(fake, make):
    fake.on("GET /part/a", OK)
    graph = one(make())
    spawned = []

    @graph.node(output="b")
    def b(context):
        spawned.append(context.spawn(gevent.sleep, 30))
        return 1

    graph.run(Context())
    assert spawned[0].dead


def test_start_and_end_are_told_in_the_same_contextvars(fake, make):
    fake.on("GET /part/a", OK)
    upstream = make()
    var, tokens, seen = ContextVar("var", default=None), [], []
    upstream.on("call.started", lambda _name, _fields: tokens.append(var.set("mine")))

    def ended(_name, _fields):
        seen.append(var.get())
        var.reset(tokens.pop())

    upstream.on("call.ended", ended)
    graph = one(upstream)
    graph.run({})
    graph.run({})
    assert seen == ["mine", "mine"]


def test_an_error_before_the_call_left_names_its_upstream(fake, make):
    def broken(_name, fields):
        fields["call"].headers = (*fields["call"].headers, ("X-A", "a\r\nb"))

    upstream = make()
    upstream.on("attempt.started", broken)
    outcome = one(upstream, optional=True).run({}).outcomes["a"]
    assert (outcome.reason, outcome.error.upstream) == ("invalid", "parts")


def test_a_connection_that_ends_while_its_call_is_told_of_is_replaced(make):
    left = Event()

    def serve(sock, _address):
        """Two answers, and the first connection ends when the second call is about to be made."""
        while sock.recv(9999):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            if not left.is_set():
                left.wait()
                break
        sock.close()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    upstream = make(f"http://127.0.0.1:{server.server_port}", retry=None)
    transport = upstream.stack.site.transport

    def blocking(_name, _fields):
        left.set()
        while not transport.dropped:
            gevent.sleep(0)

    upstream.on("attempt.started", blocking)
    outcome = one(upstream, optional=True).run({}).outcomes["a"]
    assert (outcome.state, outcome.value) == ("ok", {})
    server.stop()


def test_who_begins_to_count_gets_all_from_then_on_whoever_counted_before(fake, make):
    fake.on("GET /part/a", OK)
    fake.on("GET /part/b", status(404))
    upstream, counts = make(idle=2), (Counter(), Counter())
    graph = one(upstream)
    graph.fetch("b", upstream, "/part/b", optional=True)

    def counting(count):
        return Gathered(lambda about, seconds: count.update({(about[2], about[4]): len(seconds)}))

    first, second = map(counting, counts)
    for gathered, runs in ((first, 3), (second, TOGETHER + 5), (first, 2)):
        upstream.on("attempt.ended", gathered)
        for _ in range(runs):
            graph.run()
        upstream.instruments.off("attempt.ended", gathered)
        graph.run()
    first.hand_over()
    second.hand_over()
    assert counts[0] == {("GET", 200): 5, ("GET", 404): 5}
    assert counts[1] == {("GET", 200): TOGETHER + 5, ("GET", 404): TOGETHER + 5}


def test_attempts_are_counted_by_method_and_never_more_than_wait_together(fake, make):
    fake.on("GET /part/a", OK)
    fake.on("HEAD /part/a", OK)
    upstream, brought = make(idle=2), []
    upstream.on("attempt.ended", Gathered(lambda about, seconds: brought.append((about[2], len(seconds)))))
    graph = Graph("page")
    graph.fetch("get", upstream, "/part/a")
    graph.fetch("head", upstream, lambda context: Request("HEAD", "/part/a"), decode="bytes")
    for _ in range(2 * TOGETHER):
        graph.run({})
    assert sorted(brought) == [("GET", TOGETHER)] * 2 + [("HEAD", TOGETHER)] * 2
