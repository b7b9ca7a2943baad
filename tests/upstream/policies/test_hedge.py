"""Hedging: when there is a second attempt, who wins, and what becomes of the loser."""

import time

import gevent
import pytest
from gevent.event import Event

from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.events import Instruments
from fastdag.upstream.call import Call
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.hedge import Hedge, _Race
from fastdag.upstream.policies.retry import Retry

from .scripted import Bench, answer, get

REFUSED = UpstreamConnectError("refused")


class Slow:
    """A step that takes its time, and notes how it ended."""

    def __init__(self, seconds, end):
        self.seconds = seconds
        self.end = end
        self.begun = Event()
        self.ended = None

    def __call__(self, call):
        self.begun.set()
        try:
            gevent.sleep(self.seconds)
        except BaseException as error:
            self.ended = type(error)
            raise
        self.ended = "done"
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


def bench(*steps, hosts=1, after=0.01, extra=1.0, **policies):
    return Bench(
        *steps,
        hosts=hosts,
        clock=time.monotonic,
        balance=Balance(),
        hedge=Hedge(after=after, extra=extra),
        retry=Retry(backoff=0),
        **policies,
    )


def test_a_late_answer_is_overtaken_and_its_attempt_killed():
    slow = Slow(30, answer(200, b"slow"))
    b = bench(slow, answer(200, b"fast"))
    assert b.send().content == b"fast"
    gevent.sleep(0)
    assert slow.ended is gevent.GreenletExit
    assert len(b.transport.seen) == 2
    assert b.told("hedge.started") == [{"upstream": "up", "after": 0.01}]


def test_without_listeners_nothing_is_told():
    b = bench(Slow(30, answer()), answer(200, b"fast"))
    b.site.instruments = Instruments()
    assert b.send().content == b"fast"
    assert b.events == []


def test_attempts_that_end_while_nobody_waits_are_taken_all_the_same():
    race = _Race(lambda call: answer())
    race.start(get())
    gevent.sleep(0)
    race.start(get())
    gevent.sleep(0)
    assert race.next().status_code == 200
    assert race.next(0).status_code == 200
    assert race.pending == 0


def test_an_answer_in_time_needs_no_hedge():
    b = bench(answer(), after=30)
    b.send()
    assert len(b.transport.seen) == 1


def test_the_first_may_still_win():
    second = Slow(30, answer(200, b"second"))
    b = bench(lambda call: second.begun.wait() and answer(200, b"first"), second)
    assert b.send().content == b"first"
    gevent.sleep(0)
    assert second.ended is gevent.GreenletExit


def test_a_bad_answer_does_not_win():
    b = bench(Slow(0.03, answer(200, b"good")), answer(503))
    assert b.send().content == b"good"


def test_when_both_fail_the_last_failure_is_the_answer():
    b = bench(Slow(0.03, UpstreamTimeout("late")), answer(503))
    with pytest.raises(UpstreamTimeout):
        b.send()
    assert bench(Slow(0.03, answer(500)), REFUSED).send().status_code == 500


def test_a_first_attempt_that_was_not_heard_is_followed_at_once():
    b = bench(REFUSED, answer(200, b"second"), after=30)
    assert b.send().content == b"second"


def test_a_failure_that_another_attempt_would_not_mend_is_the_answer():
    b = bench(UpstreamTimeout("late"), after=30)
    with pytest.raises(UpstreamTimeout):
        b.send()
    assert len(b.transport.seen) == 1


def test_a_hedged_call_is_not_retried():
    b = bench(answer(503), after=30)
    assert b.send().status_code == 503
    assert len(b.transport.seen) == 2
    assert b.told("retry.scheduled") == []


@pytest.mark.parametrize(
    "call",
    [
        lambda: Call("HEAD", "/x", []),
        lambda: Call("POST", "/x", [], b"", idempotent=True),
        lambda: get(stream=True),
        lambda: Call("GET", "/x", [], b"body"),
    ],
)
def test_only_a_plain_get_is_hedged(call):
    b = bench(Slow(0.03, answer()))
    b.send(call())
    assert len(b.transport.seen) == 1


def test_a_call_that_is_not_hedged_is_retried():
    b = bench(REFUSED, answer())
    b.send(Call("HEAD", "/x", []))
    assert len(b.transport.seen) == 2
    assert len(b.told("retry.scheduled")) == 1


def test_the_other_attempt_goes_to_another_host():
    b = bench(Slow(30, answer()), answer(), hosts=2)
    b.send()
    assert set(b.transport.hosts) == {"http://a:1", "http://b:1"}


def test_not_before_enough_is_known_and_then_after_the_live_p95():
    b = bench(answer(), after="p95")
    latencies = b.site.states["hedge"]
    assert latencies.p95 is None
    for n in range(20):
        latencies.add(n / 1000)
    assert latencies.p95 == 0.019
    for _ in range(180):
        latencies.add(0.1)
    assert latencies.p95 == 0.1


def test_failures_are_no_latencies():
    b = bench(REFUSED, after="p95")
    latencies = b.site.states["hedge"]
    for _ in range(20):
        latencies.add(0.1)
    for _ in range(3):
        with pytest.raises(UpstreamConnectError):
            b.send()
    assert list(latencies.seen) == [0.1] * 20


def test_unknown_latencies_are_learned_without_a_hedge():
    b = bench(answer(), after="p95")
    for _ in range(20):
        b.send()
    assert b.site.states["hedge"].p95 < 1
    b.transport.steps = [Slow(30, answer()), answer(200, b"fast")]
    assert b.send().content == b"fast"


def test_not_while_a_breaker_is_not_closed():
    b = bench(Slow(0.03, answer()), breaker=Breaker())
    b.site.states["breaker"].by_url["http://a:1"].go("trip")
    b.site.states["breaker"].by_url["http://a:1"].go("wait_over")
    b.send()
    assert len(b.transport.seen) == 1


def test_the_share_of_hedges_is_bounded():
    b = bench(answer(503), after=30, extra=0.05)
    for _ in range(100):
        b.send()
    assert len(b.transport.seen) == 105


def test_hedges_draw_from_the_retry_budget():
    b = Bench(
        answer(503),
        clock=time.monotonic,
        hedge=Hedge(after=30, extra=1.0),
        retry=Retry(budget=0.0, budget_per_second=0.3),
    )
    for _ in range(10):
        b.send()
    assert len(b.transport.seen) == 13
    assert b.stack.describe()["budget"] == {"calls": 10, "spent": 3, "left": 0.0}


def test_who_is_killed_takes_both_attempts_along():
    one, other = Slow(30, answer()), Slow(30, answer())
    b = bench(one, other)
    caller = gevent.spawn(b.send)
    while len(b.transport.seen) < 2:
        gevent.sleep(0.001)
    caller.kill()
    gevent.sleep(0)
    assert (one.ended, other.ended) == (gevent.GreenletExit, gevent.GreenletExit)


def test_a_bug_reaches_the_caller():
    with pytest.raises(ValueError, match="a bug"):
        bench(ValueError("a bug"), after=30).send()


@pytest.mark.parametrize("options", [{"after": "p99"}, {"after": 0}, {"after": None}, {"extra": 2}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        Hedge(**options)
