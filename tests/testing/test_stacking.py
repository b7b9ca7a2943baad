"""Overriding upstreams: calls go elsewhere with all their policies, and neither side remembers the other."""

import time

import pytest

from fastdag import Breaker, Cache, Graph, Retry, Upstream, UpstreamRejected
from fastdag.testing import FakeUpstream, answer, override_upstream, reset, status
from fastdag.upstream.policies.store import MemoryStore


@pytest.fixture
def real():
    """Stands for the service that the upstream usually asks."""
    with FakeUpstream("real") as found:
        found.on("GET /x", "real")
        yield found


@pytest.fixture
def fake():
    with FakeUpstream() as found:
        yield found


@pytest.fixture
def make(real):
    made = []

    def upstream(**options):
        made.append(Upstream("up", real.url, **options))
        return made[-1]

    yield upstream
    for one in made:
        one.close()


def test_calls_go_to_the_fake_until_the_end_of_the_block(make, fake):
    up = make()
    graph = Graph("page")
    graph.fetch("x", up, "/x", decode="text", output="x")
    fake.on("GET /x", "fake")
    stack, hosts = up.stack, up.hosts
    with override_upstream(up, fake):
        assert graph.run({}).merged == {"x": "fake"}
    assert graph.run({}).merged == {"x": "real"}
    assert (up.stack, up.hosts) == (stack, hosts)


def test_policies_and_the_calls_own_stay(make, fake):
    up = make(retry=Retry(attempts=3, backoff=0), headers={"X-A": "b"})
    route = fake.on("GET /x", reset(), reset(), "third", status(503))
    with override_upstream(up, fake):
        assert up.get("/x").text == "third"
        assert up.get("/x", retry=None).status_code == 503
    assert len(route.calls) == 4
    assert {call.headers["x-a"] for call in route.calls} == {"b"}


def test_what_the_breaker_learns_from_a_fake_is_forgotten(make, fake):
    up = make(retry=None, breaker=Breaker(consecutive=1))
    fake.on("GET /x", status(500))
    with override_upstream(up, fake):
        assert up.get("/x").status_code == 500
        with pytest.raises(UpstreamRejected):
            up.get("/x")
    assert up.get("/x").text == "real"


@pytest.mark.parametrize("store", [None, MemoryStore(1 << 20, 100, time.monotonic)], ids=["own", "shared"])
def test_what_the_cache_learns_from_a_fake_is_forgotten(store, make, fake, real):
    up = make(cache=Cache(ttl=60, store=store))
    fake.on("GET /x", "fake")
    with override_upstream(up, fake):
        assert [up.get("/x").text for _ in range(2)] == ["fake", "fake"]
        assert len(fake.calls) == 1
    assert [up.get("/x").text for _ in range(2)] == ["real", "real"]
    with override_upstream(up, fake):
        assert up.get("/x").text == "fake"
    up.get("/x")
    assert len(real.calls) == 1


def test_overrides_nest_and_take_an_address(make, fake, real):
    up = make()
    fake.on("GET /x", answer("fake"))
    with override_upstream(up, fake), override_upstream(up, real.url):
        assert up.get("/x").text == "real"


def test_the_transport_of_ones_own_goes_to_the_fake(fake, make):
    up = make(transport="requests")
    fake.on("GET /x", "fake")
    with override_upstream(up, fake):
        assert up.get("/x").text == "fake"
    assert up.get("/x").text == "real"
