"""Old answers out of the shared store: whoever stored them, they stand in for failures as those in memory do."""

import gevent.event
import pytest

from fastdag import UpstreamConnectError, UpstreamTimeout
from tests.machine import until
from tests.upstream.policies.scripted import Clock, answer

JSON = {"content_type": "application/json"}
CLAIMS = "EVAL \"return #redis.call('KEYS', '*:claim:*')\" 0"


@pytest.fixture
def pair(worker):
    """Two workers of one service with one clock: the first is answered as told, the second meets a failure."""
    clock = Clock()

    def make(first, failure, **cache):
        made = [worker(step, clock=None, ttl=10, **cache) for step in (first, failure)]
        for bench in made:
            bench.site.clock = bench.site.wall = clock
        return *made, clock

    return make


FAILURES = [
    UpstreamConnectError("refused"),
    UpstreamTimeout("too late"),
    answer(503),
    answer(200, b'{"cut', **JSON),
]


@pytest.mark.parametrize("failure", FAILURES, ids=["refused", "timeout", "503", "bad JSON"])
def test_what_one_worker_stored_stands_in_for_the_failure_that_another_meets(pair, failure):
    one, other, clock = pair(answer(200, b'{"a": 1}', **JSON), failure, stale_if_error=60)
    one.send()
    clock.now += 30
    stale = other.send()
    assert stale.json() == {"a": 1}
    assert stale.headers["age"] == "30"
    assert [told["why"] for told in other.told("cache.stale")] == ["error"]


def test_an_answer_that_is_too_old_stands_in_for_nothing(pair):
    one, other, clock = pair(answer(200, b"old"), UpstreamConnectError("refused"), stale_if_error=60)
    one.send()
    clock.now += 72  # ten seconds and a tenth by lot, and sixty
    with pytest.raises(UpstreamConnectError):
        other.send()


def test_an_upstream_that_forbids_stale_answers_is_obeyed_by_all_workers(pair):
    told = answer(200, b"old", cache_control="must-revalidate")
    one, other, clock = pair(told, answer(500), stale_if_error=60, stale_while_revalidate=60)
    one.send()
    clock.now += 30
    assert other.send().status_code == 500


def test_a_refresh_that_hangs_holds_the_others_up_for_its_time_at_most(worker, server):
    hanging = gevent.event.Event()

    def hang(call):
        hanging.wait()
        raise UpstreamTimeout("too late")

    clock = Clock()
    steps = [(answer(200, b"old"), hang), *[(answer(200, b"new"),)] * 3]
    made = [worker(*each, clock=None, ttl=10, stale_while_revalidate=1000) for each in steps]
    for bench in made:
        bench.site.clock = bench.site.wall = clock
        bench.site.timeout = 0.3
    one, *others = made
    one.send()
    clock.now += 20
    assert one.send().content == b"old"
    until(lambda: len(one.transport.seen) == 2)  # it has claimed the refresh, and hangs
    until(lambda: server.say(CLAIMS) == b":0")
    assert others[0].send().content == b"old"
    until(lambda: not any(bench.stack.vault.refreshes for bench in others))
    assert sum(len(bench.transport.seen) for bench in others) == 1
    assert [bench.send().content for bench in made] == [b"new"] * 4
    hanging.set()
    until(lambda: not one.stack.vault.refreshes)
