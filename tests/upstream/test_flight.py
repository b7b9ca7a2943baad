"""Calls without a greenlet, beside the same calls through the layers: nobody can tell which way a call went."""

import gc
import random
from collections import Counter
from types import SimpleNamespace

import gevent
import pytest
from greenlet import greenlet

from fastdag import Breaker, Bulkhead, Cache, Graph, Hedge, NodeError, Retry, Upstream
from fastdag.events import EVENTS, TOGETHER, Gathered
from fastdag.nodes.fetch import FetchNode
from fastdag.testing import FakeUpstream, answer, bad_json, cut, drip, hang, reset, status

OK = {"id": 1}
SCENES = {
    "an answer": [OK],
    "not found": [status(404)],
    "a failure that is not asked again": [status(500, {"oh": "no"})],
    "a failure, then an answer": [status(503), OK],
    "two failures": [status(503), status(502)],
    "a stale connection, then an answer": [reset(), OK],
    "a stale connection, and then a failure": [reset(), status(503), OK],
    "nothing but resets": [reset()],
    "no answer": [hang()],
    "a drip": [drip(pace=0.05)],
    "half of a body": [cut()],
    "no JSON": [bad_json()],
    "too long": [answer("x" * 5000)],
    "a connection that ends": [answer(OK, headers={"Connection": "close"})],
    "a wait": [answer(OK, headers={"Retry-After": "30"}, status=503)],
}

#: Those that take the time of an attempt, or of a pause.
SLOW = {"no answer", "a drip", "a wait"}

TIMES_AND_ADDRESSES = ("host", "elapsed", "call", "pause", "retry_after")


def asked(fake, *, flying, times=1, observe=True, gathered=None, **options):
    """Ask `times` times; outcomes, what was told, what the layers remember, and what the upstream saw."""
    found = SimpleNamespace(outcomes=[], told=[])
    options = {"attempt_timeout": 0.3, "breaker": Breaker(consecutive=3), "max_response_bytes": 4000, **options}
    upstream = Upstream("parts", fake.url, **options)
    upstream.stack.site.random = random.Random(1)
    if not flying:
        upstream.stack.runway = None
    graph = Graph("page", timeout=1.0)
    graph.fetch("part", upstream, "/part/{path.id}", output="part")
    warm(upstream)
    if gathered is not None:
        upstream.on("attempt.ended", gathered)
    if observe:
        for name in EVENTS:
            if name.startswith(("call", "attempt", "retry", "breaker", "bulkhead", "connection")):
                upstream.on(name, lambda name, fields: found.told.append((name, dict(fields))))
    for number in range(times):
        try:
            result = graph.run({"path": {"id": number}})
        except NodeError as error:
            result = error.result
        outcome = result.outcomes["part"]
        cause = (
            type(outcome.error).__name__,
            getattr(outcome.error, "upstream", None),
            str(outcome.error).replace(fake.url, ""),
        )
        found.outcomes.append((outcome.state, outcome.value, outcome.reason, cause))
    found.left = upstream.describe()
    found.transport = repr(upstream.stack.site.transport)
    found.calls = [(call.method, call.path, without(call.headers)) for call in fake.calls]
    found.upstream = upstream
    upstream.close()
    return found


def warm(upstream):
    """Flights need a connection."""
    assert upstream.get("/warm").ok


def without(headers):
    """Headers but for those that differ from call to call."""
    return {name.lower(): value for name, value in headers.items() if name.lower() not in ("fastdag-deadline", "host")}


def scripted(*answers):
    fake = FakeUpstream()
    fake.on("GET /warm", {})
    fake.on("GET /part/*", *answers)
    return fake


def telling(told):
    """Events, but for times and addresses."""
    return [
        (name, {key: value for key, value in fields.items() if key not in TIMES_AND_ADDRESSES})
        for name, fields in told
    ]


def remembered(left):
    """What the layers remember, but for the address and the time until a breaker's next probe."""
    states = {layer["name"]: layer["state"] for layer in left["layers"]}
    circuits = [{**circuit, "half_open_in": None} for circuit in states.pop("breaker", {}).values()]
    return {**states, "balance": None}, circuits, left["budget"]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("times", [1, 4])
def test_both_ways_leave_the_same_behind(scene, times):
    seen = []
    for flying in (True, False):
        with scripted(*SCENES[scene]) as fake:
            seen.append(asked(fake, flying=flying, times=times))
    here, there = seen
    assert here.outcomes == there.outcomes
    assert telling(here.told) == telling(there.told)
    assert remembered(here.left) == remembered(there.left)
    assert here.transport == there.transport
    assert here.calls == there.calls


@pytest.mark.parametrize("scene", ["an answer", "two failures", "no answer", "nothing but resets"])
@pytest.mark.parametrize("options", [{"breaker": None}, {"bulkhead": None}, {"retry": None}])
def test_without_a_policy_too(scene, options):
    seen = []
    for flying in (True, False):
        with scripted(*SCENES[scene]) as fake:
            seen.append(asked(fake, flying=flying, times=2, observe=False, **options))
    here, there = seen
    assert here.outcomes == there.outcomes
    assert remembered(here.left) == remembered(there.left)
    assert here.calls == there.calls


@pytest.mark.parametrize("scene", SCENES)
def test_both_ways_are_counted_alike(scene):
    """More attempts than wait for one another before they are counted."""
    counted = []
    for flying in (True, False):
        found = []
        gathered = Gathered(lambda *heap, found=found: found.append(heap))
        with scripted(*SCENES[scene]) as fake:
            asked(fake, flying=flying, times=3 if SLOW & {scene} else TOGETHER + 6, observe=False, gathered=gathered)
        assert all(len(seconds) <= TOGETHER for _, seconds in found)
        gathered.hand_over()
        counts = Counter()
        for (name, _, *about), seconds in found:
            assert name == "parts"
            counts[tuple(about)] += len(seconds)
        counted.append(counts)
    here, there = counted
    assert here == there
    assert here


def test_another_attempt_has_all_of_its_time():
    with scripted(answer(status=503, delay=0.1), OK) as fake:
        found = asked(fake, flying=True, attempt_timeout=0.5)
    assert [outcome[0] for outcome in found.outcomes] == ["ok"]
    told = [float(call.headers["fastdag-deadline"]) for call in fake.calls if call.path != "/warm"]
    assert told[0] == told[1] == 0.5


def greenlets():
    gc.collect()
    return sum(isinstance(found, greenlet) and not found.dead for found in gc.get_objects())


def page(upstream, count):
    graph = Graph("page", timeout=5)
    for number in range(count):
        graph.fetch(f"part{number}", upstream, f"/part/{number}", output=f"part{number}")
    return graph


def test_calls_that_wait_hold_no_greenlets():
    with FakeUpstream() as fake:
        opened = gevent.event.Event()
        fake.on("GET /part/*", lambda call: opened.wait() and OK)
        upstream = Upstream("parts", fake.url)
        graph = page(upstream, 20)
        opened.set()
        graph.run({})  # opens the connections
        opened.clear()
        before, served = greenlets(), len(fake.calls)
        running = gevent.spawn(graph.run, {})
        while len(fake.calls) < served + 20:
            gevent.sleep(0)
        # The one that runs the graph; what the fake needs for its own it has had before.
        assert greenlets() - before <= 2
        opened.set()
        assert running.get().complete
        upstream.close()


@pytest.mark.parametrize(
    "options",
    [
        {"cache": Cache(ttl=60)},
        {"hedge": Hedge(after=1.0)},
        {"coalesce": True},
        {"auth": lambda call: {"Authorization": "x"}},
        {"base_url": ["http://127.0.0.1:1", "http://127.0.0.1:2"]},
        {"transport": "requests"},
    ],
)
def test_what_is_not_known_here_stays_on_the_ground(options):
    upstream = Upstream("parts", options.pop("base_url", "http://127.0.0.1:1"), **options)
    assert upstream.launch(upstream.compose("GET", "/")) is None
    upstream.close()


@pytest.mark.parametrize(
    "how",
    [
        {"method": "POST"},
        {"method": "GET", "data": b"x"},
        {"method": "GET", "stream": True},
        {"method": "GET", "timeout": 1.0},
        {"method": "GET", "retry": Retry(attempts=3)},
        {"method": "GET", "idempotent": False},
    ],
)
def test_calls_with_more_to_them_stay_on_the_ground(how):
    with scripted(OK) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        call = upstream.compose(how.pop("method"), "/part/1", **how)
        deadline = call.deadline
        assert upstream.launch(call) is None
        assert (call.deadline, call.promise) == (deadline, None)
        upstream.close()


def test_nothing_flies_without_a_connection_a_slot_or_a_closed_breaker():
    with scripted(OK) as fake:
        upstream = Upstream("parts", fake.url, bulkhead=Bulkhead(limit=1))
        call = upstream.compose("GET", "/part/1")
        assert upstream.launch(call) is None
        warm(upstream)
        upstream.stack.circuits.force_open()
        assert upstream.launch(call) is None
        upstream.stack.circuits.reset()
        flight = upstream.launch(call)
        assert flight is not None
        assert upstream.launch(upstream.compose("GET", "/part/2")) is None
        flight.cancel()
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        upstream.close()


def test_a_flight_that_is_cancelled_closes_its_connection_and_counts_against_nobody():
    with scripted(hang()) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        flight = upstream.launch(upstream.compose("GET", "/part/1"))
        landed = []
        assert flight.listen(landed.append)
        flight.cancel()
        flight.cancel()
        gevent.sleep(0)
        assert landed == []
        (circuit,) = upstream.stack.circuits.describe().values()
        assert (circuit["failures"], circuit["state"]) == (0, "closed")
        assert repr(upstream.stack.site.transport) == "<NativeTransport [0 active, 0 idle]>"
        upstream.close()


def test_the_end_of_a_run_ends_its_flights():
    with scripted(hang()) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        graph = Graph("page", timeout=0.05)
        graph.fetch("part", upstream, "/part/1", optional=True, output="part")
        result = graph.run({})
        assert result.outcomes["part"].reason == "timeout"
        assert repr(upstream.stack.site.transport) == "<NativeTransport [0 active, 0 idle]>"
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        upstream.close()


def test_a_killed_caller_takes_its_flights_along():
    with scripted(hang()) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        graph = page(upstream, 1)
        running = gevent.spawn(graph.run, {})
        while len(fake.calls) < 2:
            gevent.sleep(0)
        running.kill()
        assert repr(upstream.stack.site.transport) == "<NativeTransport [0 active, 0 idle]>"
        upstream.close()


def test_a_required_failure_ends_flights_that_came_down_and_wait_for_a_worker():
    """Two answers in one turn of the loop: the one that may ask again waits for a greenlet, the other ends the run."""
    with FakeUpstream() as fake:
        opened = gevent.event.Event()
        fake.on("GET /warm", lambda call: opened.wait() and OK)
        fake.on("GET /part/0", lambda call: opened.wait() and status(503))
        fake.on("GET /part/1", lambda call: opened.wait() and status(404))
        upstream = Upstream("parts", fake.url, retry=Retry(backoff=5.0))
        opened.set()
        gevent.joinall([gevent.spawn(warm, upstream) for _ in range(2)])
        opened.clear()
        graph = page(upstream, 2)
        running = gevent.spawn(graph.run, {})
        while len(fake.calls) < 4:
            gevent.sleep(0)
        opened.set()
        with pytest.raises(NodeError) as caught:
            running.get(timeout=5)
        assert caught.value.node_id == "part1"
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        upstream.close()


def test_whoever_overrides_load_is_asked():
    class Louder(FetchNode):
        def load(self, context, **parents):
            return {"louder": super().load(context, **parents)}

    with scripted(OK) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        graph = Graph("page")
        graph.add(Louder("part", upstream, "/part/1"))
        assert graph.run({}).merged == {"louder": OK}
        upstream.close()


def test_shaped_data_is_shaped_and_children_get_it():
    with scripted({"items": [{"id": 1, "secret": 2}]}) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        graph = Graph("page")
        graph.fetch("part", upstream, "/part/1", target="items", omit=["secret"], group="found")

        @graph.node(output="count")
        def count(part):
            return len(part["found"])

        assert graph.run({}).merged == {"count": 1}
        assert graph.run({}, outputs=["part"]).merged == {"found": [{"id": 1}]}
        upstream.close()


def test_a_fallback_answers_for_a_flight_and_a_relayed_status_ends_the_run():
    with scripted(status(404, {"no": "part"})) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        graph = Graph("page")
        graph.fetch("part", upstream, "/part/1", fallback={"id": 0}, output="part")
        assert graph.run({}).merged == {"part": {"id": 0}}
        graph = Graph("page")
        graph.fetch("part", upstream, "/part/1", relay=404)
        with pytest.raises(NodeError) as caught:
            graph.run({})
        assert caught.value.__cause__.response.json() == {"no": "part"}
        upstream.close()


def test_what_lands_with_somebody_elses_code_lands_in_a_greenlet():
    def decode(response):
        gevent.sleep(0)
        return response.json()["id"]

    with scripted(OK) as fake:
        upstream = Upstream("parts", fake.url)
        warm(upstream)
        graph = Graph("page")
        graph.fetch("part", upstream, "/part/1", decode=decode, output="part")
        assert graph.run({}).merged == {"part": 1}
        assert len(fake.calls) == 2
        upstream.close()
