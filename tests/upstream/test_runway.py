"""Calls that are waited for, past the layers and through them: nobody can tell which way a call went."""

import gc
import random
from types import SimpleNamespace

import gevent
import pytest

from fastdag import Breaker, Bulkhead, Retry, Upstream, UpstreamError
from fastdag.events import EVENTS
from fastdag.testing import FakeUpstream, answer, hang, reset, status
from fastdag.upstream.call import Call
from fastdag.upstream.transport.connection import Connection
from fastdag.upstream.transport.native import NativeTransport
from tests.upstream import test_flight
from tests.upstream.test_flight import OK, SCENES, remembered, scripted, telling, warm

WAYS = {"past the layers": True, "through the layers": False}


def upstream_at(fake, past, **options):
    options = {"attempt_timeout": 0.3, "breaker": Breaker(consecutive=3), "max_response_bytes": 4000, **options}
    upstream = Upstream("parts", fake.url, **options)
    upstream.stack.site.random = random.Random(1)
    if not past:
        upstream.stack.runway = None
    warm(upstream)
    return upstream


def outcome(upstream, path="/part/1"):
    """What one call comes to, as data."""
    try:
        found = upstream.get(path)
        return found.status_code, dict(found.headers), found.json() if found.ok else found.text
    except UpstreamError as error:
        return type(error).__name__, error.reason, error.upstream, error.sent, error.received, str(error)[:40]


def asked(fake, past, times, **options):
    found = SimpleNamespace(told=[])
    upstream = upstream_at(fake, past, **options)
    for name in EVENTS:
        if name.startswith(("retry", "breaker", "bulkhead", "connection")):
            upstream.on(name, lambda name, fields: found.told.append((name, dict(fields))))
    found.outcomes = [outcome(upstream, f"/part/{number}") for number in range(times)]
    found.left = remembered(upstream.describe())
    found.transport = repr(upstream.stack.site.transport)
    found.calls = [(call.method, call.path, test_flight.without(call.headers)) for call in fake.calls]
    upstream.close()
    return found


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("without", ["nothing", "breaker", "bulkhead", "retry"])
def test_both_ways_come_to_the_same_and_leave_the_same_behind(scene, without):
    options = {"timeout": 0.4} if without == "nothing" else {"timeout": 0.4, without: None}
    times = 4 if without == "nothing" else 2
    with scripted(*SCENES[scene]) as one, scripted(*SCENES[scene]) as other:
        here, there = asked(one, True, times, **options), asked(other, False, times, **options)
    assert [_without_date(found) for found in here.outcomes] == [_without_date(found) for found in there.outcomes]
    assert telling(here.told) == telling(there.told)
    assert here.left == there.left
    assert here.transport == there.transport
    assert here.calls == there.calls


def _without_date(found):
    return tuple({**part, "date": ""} if isinstance(part, dict) else part for part in found)


def test_calm_calls_go_past_the_layers_and_others_do_not(monkeypatch):
    through = []
    with scripted(OK) as fake:
        upstream = upstream_at(fake, True)
        send = upstream.stack._send
        monkeypatch.setattr(upstream.stack, "_send", lambda call: through.append(call.method) or send(call))
        assert upstream.get("/part/1").json() == OK
        fake.on("HEAD /part/*", OK)
        assert upstream.head("/part/1").ok
        assert through == []
        fake.on("POST /part/*", OK)
        assert upstream.post("/part/1", json={}).json() == OK
        assert upstream.get("/part/1", timeout=1.0).json() == OK
        assert through == ["POST", "GET"]
        upstream.on("attempt.ended", lambda *_: None)
        assert upstream.get("/part/1").json() == OK
        assert through == ["POST", "GET", "GET"]
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("seconds", "failures"), [(0.05, 0), (0.2, 1)])
def test_a_caller_who_gives_up_blames_the_host_only_if_it_had_half_of_its_time(past, seconds, failures):
    with scripted(hang()) as fake:
        upstream = upstream_at(fake, past)
        with pytest.raises(gevent.Timeout), gevent.Timeout(seconds):
            upstream.get("/part/1")
        (circuit,) = upstream.stack.circuits.describe().values()
        assert circuit["failures"] == failures
        assert repr(upstream.stack.site.transport) == "<NativeTransport [0 active, 0 idle]>"
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_a_killed_caller_counts_against_nobody_and_gives_everything_back(past):
    with scripted(hang()) as fake:
        upstream = upstream_at(fake, past)
        asking = gevent.spawn(upstream.get, "/part/1")
        while len(fake.calls) < 2:
            gevent.sleep(0)
        asking.kill()
        (circuit,) = upstream.stack.circuits.describe().values()
        assert (circuit["failures"], circuit["state"]) == (0, "closed")
        assert repr(upstream.stack.site.transport) == "<NativeTransport [0 active, 0 idle]>"
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_whoever_waits_for_a_slot_gets_the_one_that_is_given_back(past):
    with FakeUpstream() as fake:
        opened = gevent.event.Event()
        fake.on("GET /warm", {})
        fake.on("GET /part/*", lambda call: opened.wait() and OK)
        upstream = upstream_at(fake, past, bulkhead=Bulkhead(limit=1, wait=5.0), attempt_timeout=5.0)
        first = gevent.spawn(upstream.get, "/part/1")
        while len(fake.calls) < 2:
            gevent.sleep(0)
        second = gevent.spawn(upstream.get, "/part/2")
        while not upstream.describe()["layers"][-2]["state"]["waiting"]:
            gevent.sleep(0)
        opened.set()
        assert first.get(timeout=5).json() == second.get(timeout=5).json() == OK
        assert upstream.describe()["layers"][-2]["state"] == {"in_flight": 0, "waiting": 0, "rejected": 0}
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_a_killed_caller_of_a_further_attempt_gives_everything_back_too(past):
    with scripted(status(503), hang()) as fake:
        upstream = upstream_at(fake, past, retry=Retry(backoff=0), attempt_timeout=5.0)
        asking = gevent.spawn(upstream.get, "/part/1")
        while len(fake.calls) < 3:
            gevent.sleep(0)
        asking.kill()
        (circuit,) = upstream.stack.circuits.describe().values()
        assert circuit["failures"] == 1
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        assert upstream.describe()["budget"]["spent"] == 1
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_another_attempt_has_all_of_its_time(past):
    with scripted(answer(status=503, delay=0.1), OK) as fake:
        upstream = upstream_at(fake, past, attempt_timeout=0.5)
        assert upstream.get("/part/1").json() == OK
        assert [call.headers["fastdag-deadline"] for call in fake.calls] == ["0.500"] * 3
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_a_call_that_cannot_be_sent_leaves_its_connection_to_nobody(past):
    with scripted(OK) as fake:
        upstream = upstream_at(fake, past)
        call = upstream.compose("GET", "/part/1")
        call.headers = (("X-A", "a\r\nb"),)
        with pytest.raises(UpstreamError) as caught:
            upstream.send(call)
        assert (caught.value.reason, caught.value.upstream) == ("invalid", "parts")
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0
        assert upstream.get("/part/1").json() == OK
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_after_a_close_and_on_another_loop_there_is_another_pool(past):
    with scripted(OK) as fake:
        upstream = upstream_at(fake, past)
        assert upstream.get("/part/1").json() == OK
        upstream.close()
        assert repr(upstream.stack.site.transport) == "<NativeTransport [0 active, 0 idle]>"
        assert [upstream.get("/part/1").json() for _ in range(2)] == [OK, OK]
        flight = upstream.launch(upstream.compose("GET", "/part/1"))
        assert (flight is not None) == past
        if flight is not None:
            flight.cancel()
        pool = gevent.get_hub().threadpool
        assert pool.apply(lambda: gevent.spawn(upstream.get, "/part/1").get().json()) == OK
        assert upstream.get("/part/1").json() == OK
        upstream.close()


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_an_idle_connection_holds_no_body(past):
    with scripted(OK) as fake:
        upstream = upstream_at(fake, past)
        answer = upstream.get("/part/1")
        (connection,) = upstream.stack.site.transport.pool(upstream.hosts[0])._idle
        assert (connection.inbound.body, answer.content) == (b"", b'{"id":1}')
        upstream.close()


def test_a_killed_caller_whose_connection_is_dropped_gives_its_slot_back():
    """Telling of a connection that is too old may take its time, and the caller may be gone meanwhile."""
    with scripted(OK) as fake:
        upstream = upstream_at(fake, True)
        (connection,) = upstream.stack.site.transport.pool(upstream.hosts[0])._idle
        connection.usable_until = 0.0
        told = gevent.event.Event()
        upstream.on("connection.dropped", lambda *_: told.set() or gevent.sleep(30))
        asking = gevent.spawn(upstream.get, "/part/1")
        told.wait()
        asking.kill()
        assert upstream.describe()["layers"][-2]["state"]["in_flight"] == 0


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
def test_a_caller_who_gives_up_on_a_second_connection_blames_the_host_only_if_it_had_half_of_its_time(past):
    with scripted(reset(), hang()) as fake:
        upstream = upstream_at(fake, past, retry=None, attempt_timeout=1.0)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
            upstream.get("/part/1")
        (circuit,) = upstream.stack.circuits.describe().values()
        assert circuit["failures"] == 0
        upstream.close()


def test_whoever_derives_from_a_part_is_asked():
    asked = []

    class Louder(NativeTransport):
        def send(self, call):
            asked.append("transport")
            return super().send(call)

    class Often(Retry):
        def bind(self, site, send):
            after = super().bind(site, send)
            return lambda call: asked.append("retry") or after(call)

    with scripted(OK) as fake:
        for options in ({"transport": Louder()}, {"retry": Often()}):
            upstream = upstream_at(fake, True, **options)
            assert [upstream.get("/part/1").json() for _ in range(2)] == [OK, OK]
            upstream.close()
    assert asked == ["transport"] * 3 + ["retry"] * 3


@pytest.mark.parametrize("past", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("scene", ["nothing but resets", "no answer", "half of a body", "too long"])
def test_a_failed_call_leaves_no_circle_to_the_garbage_collector(past, scene):
    with scripted(*SCENES[scene]) as fake:
        upstream = upstream_at(fake, past, retry=None, attempt_timeout=0.05)

        def failing():
            try:
                upstream.get("/part/1")
            except UpstreamError:
                return
            pytest.fail("there was to be an error")

        failing()
        warm(upstream)
        gc.collect()
        gc.disable()
        try:
            failing()
            gevent.sleep(0)  # the callback that woke the caller comes to its end
            left = [found for found in _unreachable() if isinstance(found, (Connection, Call, UpstreamError))]
        finally:
            gc.enable()
        assert left == []
        upstream.close()


def _unreachable():
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return list(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
