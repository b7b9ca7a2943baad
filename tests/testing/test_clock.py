"""A virtual clock: policies go by it, sockets and runs do not, and a call's deadline means the same on both."""

import time

import pytest

from fastdag import Breaker, Cache, Graph, Retry, Upstream, UpstreamRejected, UpstreamTimeout
from fastdag.testing import FakeUpstream, VirtualClock, answer, hang, override_upstream, status

from . import trips


@pytest.fixture
def fake():
    with FakeUpstream() as found:
        yield found


@pytest.fixture
def make(fake):
    made = []

    def upstream(**options):
        made.append(Upstream("up", fake.url, **options))
        return made[-1]

    yield upstream
    for one in made:
        one.close()


def state(upstream):
    (circuit,) = upstream.stack.circuits.by_url.values()
    return circuit.state


def test_a_breaker_opens_is_probed_and_closes_without_waiting(make, fake):
    up = make(retry=None, breaker=Breaker(consecutive=2, open=40))
    route = fake.on("GET /x", status(500), status(500), "ok")
    with VirtualClock(up) as clock:
        for _ in range(2):
            up.get("/x")
        assert state(up) == "open"
        clock.advance(29)  # a quarter of the time is left to chance
        with pytest.raises(UpstreamRejected) as info:
            up.get("/x")
        assert 0 < info.value.retry_after <= 11
        clock.advance(11)
        assert up.get("/x").text == "ok"
        assert state(up) == "half_open"
        up.get("/x")
        assert state(up) == "closed"
    assert len(route.calls) == 4


def test_the_real_breaker_never_knew(make, fake):
    up = make(retry=None, breaker=Breaker(consecutive=1, open=1000))
    fake.on("GET /x", status(500), "ok")
    stack = up.stack
    with VirtualClock(up):
        up.get("/x")
    assert (up.stack, state(up)) == (stack, "closed")


def test_what_is_cached_grows_old(make, fake):
    up = make(cache=Cache(ttl=1000))
    route = fake.on("GET /x", "one", "two")
    with VirtualClock(up) as clock:
        assert up.get("/x").text == "one"
        clock.advance(800)
        again = up.get("/x")
        assert again.text == "one"
        assert 800 <= int(again.headers["age"]) <= 801
        clock.advance(400)
        assert up.get("/x").text == "two"
    assert len(route.calls) == 2


def test_pauses_take_no_time_and_are_remembered(make, fake):
    up = make(retry=Retry(attempts=2))
    fake.on("GET /x", status(503, headers={"Retry-After": "20"}), "ok")
    with VirtualClock(up) as clock:
        began = time.monotonic()
        assert up.get("/x", timeout=25).text == "ok"
        assert time.monotonic() - began < 5
        assert clock.slept == [20.0]


def test_a_pause_is_gone_for_the_calls_deadline(make, fake):
    up = make(retry=Retry(attempts=2), attempt_timeout=None)
    fake.on("GET /x", status(503, headers={"Retry-After": "20"}), hang())
    with VirtualClock(up), pytest.raises(UpstreamTimeout):
        up.get("/x", timeout=20.8)
    first, second = fake.calls
    assert float(first.headers["fastdag-deadline"]) > 20
    assert float(second.headers["fastdag-deadline"]) <= 0.8


def test_the_deadlines_of_runs_stay_real(make, fake):
    up = make(retry=None, attempt_timeout=None)
    fake.on("GET /x", "ok")
    graph = Graph("page", timeout=5.0)
    graph.fetch("x", up, "/x", decode="text", output="x")
    with VirtualClock(up) as clock:
        clock.advance(1000)
        assert graph.run({}).merged == {"x": "ok"}
    assert 4 < float(fake.calls[0].headers["fastdag-deadline"]) <= 5


def test_a_call_without_any_deadline_has_none(make, fake):
    up = make(attempt_timeout=None)
    fake.on("GET /x", "ok")
    with VirtualClock(up) as clock:
        clock.advance(1000)
        assert up.get("/x").text == "ok"
    assert "fastdag-deadline" not in fake.calls[0].headers


def test_timeouts_on_sockets_are_waited_for_in_real_time(make, fake):
    up = make(retry=None, attempt_timeout=0.05)
    fake.on("GET /x", hang())
    with VirtualClock(up) as clock:
        clock.advance(1000)
        with pytest.raises(UpstreamTimeout):
            up.get("/x")


def test_the_calendar_moves_along():
    clock = VirtualClock()
    clock.advance(1000)
    assert 999 < clock() - time.monotonic() <= 1000
    assert 999 < clock.wall() - time.time() < 1001
    assert repr(clock) == "<VirtualClock +1000.000 s>"
    with pytest.raises(ValueError, match="time does not go back"):
        clock.advance(-1)


def test_clocks_and_fakes_go_together_in_either_order(make, fake):
    up = make(retry=None, breaker=Breaker(consecutive=1, open=1000))
    with FakeUpstream() as other:
        other.on("GET /x", status(500), "ok")
        with VirtualClock(up) as clock, override_upstream(up, other):
            up.get("/x")
            clock.advance(1000)
            assert up.get("/x", timeout=5).text == "ok"
        other.on("GET /x", status(500), "ok")
        with override_upstream(up, other), VirtualClock(up) as clock:
            up.get("/x")
            clock.advance(1000)
            assert up.get("/x", timeout=5).text == "ok"


def test_the_fixture_drives_a_service(world, virtual_clock, app_client):
    virtual_clock.attach(trips.weather)
    world.weather.on("GET /forecast", status(500), status(500), status(500), status(500), answer({"sky": "grey"}))
    client = app_client(trips.app)

    def advice():
        return client.get("/trips/Oslo").json["advice"].partition(",")[0]

    assert [advice() for _ in range(3)] == ["Oslo: unknown there"] * 3
    asked = len(world.weather.calls)
    assert state(trips.weather) == "open"
    virtual_clock.advance(5)
    advice()
    assert len(world.weather.calls) > asked
