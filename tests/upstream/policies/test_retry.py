"""Retry: what is repeated, when, and how often in all."""

import gc

import pytest

from fastdag.errors import UpstreamConnectError, UpstreamProtocolError, UpstreamRejected, UpstreamTimeout
from fastdag.upstream.call import Call, Headers, StreamedResponse
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.retry import Retry

from .scripted import Bench, answer, get

UNSENT = UpstreamConnectError("refused")
UNHEARD = UpstreamConnectError("reset", sent=True)
HEARD = UpstreamConnectError("reset", sent=True, received=True)
UNTRUSTED = UpstreamConnectError("no trust", hopeless=True)


def bench(*steps, hosts=1, **options):
    return Bench(*steps, hosts=hosts, balance=Balance(), retry=Retry(**options))


def post(**more):
    return Call("POST", "/x", [], b"{}", idempotent=False, **more)


def attempts(b, call):
    try:
        b.send(call)
    except Exception:
        pass
    return len(b.transport.seen)


@pytest.mark.parametrize(
    ("end", "of_get", "of_post"),
    [
        (UNSENT, 2, 2),
        (UNHEARD, 2, 1),
        (HEARD, 1, 1),
        (UNTRUSTED, 1, 1),
        (UpstreamProtocolError("cut", sent=True, received=True), 1, 1),
        (UpstreamTimeout("late"), 1, 1),
        (UpstreamRejected("open"), 1, 1),
        (ValueError("a bug"), 1, 1),
        (answer(502), 2, 1),
        (answer(503), 2, 1),
        (answer(504), 2, 1),
        (answer(500), 1, 1),
        (answer(501), 1, 1),
        (answer(505), 1, 1),
        (answer(429), 1, 1),
        (answer(200), 1, 1),
    ],
)
def test_which_ends_are_repeated(end, of_get, of_post):
    assert attempts(bench(end), get()) == of_get
    assert attempts(bench(end), post()) == of_post


@pytest.mark.parametrize(
    ("body", "times"),
    [(None, 2), (b"x" * (64 << 10), 2), (b"x" * ((64 << 10) + 1), 1), (iter([b"x"]), 1)],
)
def test_only_a_small_body_that_is_still_there_is_sent_again(body, times):
    assert attempts(bench(UNSENT), Call("PUT", "/x", [], body)) == times


def test_the_second_answer_is_the_answer():
    b = bench(UNHEARD, answer(200, b"ok"))
    assert b.send().content == b"ok"


def test_what_came_last_is_what_is_known():
    assert bench(UNHEARD, answer(503)).send().status_code == 503
    with pytest.raises(UpstreamConnectError):
        bench(answer(503), UNHEARD).send()
    with pytest.raises(UpstreamTimeout):
        bench(answer(503), UpstreamTimeout("late")).send()


def test_pauses_grow_up_to_the_longest():
    b = bench(UNSENT, attempts=7)
    attempts(b, get())
    assert b.clock.slept == [0.025, 0.05, 0.1, 0.2, 0.25, 0.25]


def test_pauses_are_drawn_from_zero_on():
    class Lowest:
        def uniform(self, a, b):
            return a

    b = bench(UNSENT)
    b.site.random = Lowest()
    attempts(b, get())
    assert b.clock.slept == [0.0]


def test_retry_after_is_obeyed():
    b = bench(answer(503, Retry_After="1"), answer())
    assert b.send().status_code == 200
    assert b.clock.slept == [1.0]


@pytest.mark.parametrize("said", ["86400", "31", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_a_long_retry_after_is_not_waited_for(said):
    b = bench(answer(503, Retry_After=said))
    assert b.send().status_code == 503
    assert len(b.transport.seen) == 1
    assert b.clock.slept == []


@pytest.mark.parametrize("said", ["soon", "-1", ""])
def test_a_retry_after_that_says_nothing_is_no_wait(said):
    b = bench(answer(503, Retry_After=said), answer())
    assert b.send().status_code == 200
    assert b.clock.slept == [0.025]


def test_never_past_the_deadline():
    b = bench(answer(503, Retry_After="1"))
    assert attempts(b, get(deadline=b.clock.now + 0.9)) == 1
    assert b.told("retry.refused") == [{"upstream": "up", "host": "http://a:1", "attempt": 1, "why": "deadline"}]


def test_no_pause_before_a_breaker_that_is_open():
    b = Bench(UNSENT, balance=Balance(), retry=Retry(attempts=9), breaker=Breaker(consecutive=2))
    with pytest.raises(UpstreamConnectError):
        b.send()
    assert len(b.transport.seen) == 2
    assert b.clock.slept == [0.025]
    assert b.told("retry.refused")[0]["why"] == "breaker"


def test_where_one_breaker_of_several_is_open_another_host_is_tried():
    b = Bench(UNSENT, answer(), hosts=2, balance=Balance(), retry=Retry(), breaker=Breaker(consecutive=1))
    assert b.send().status_code == 200


def test_another_host_first():
    b = bench(UNSENT, UNSENT, UNSENT, answer(), hosts=3, attempts=4)
    b.send()
    first, second, third, _ = b.transport.hosts
    assert {first, second, third} == {"http://a:1", "http://b:1", "http://c:1"}


def test_the_budget_bounds_all_retries_of_ten_seconds():
    b = bench(UNSENT, backoff=0)
    for _ in range(300):
        attempts(b, get())
    # a tenth of 300 calls, and one for each of ten seconds
    assert len(b.transport.seen) == 300 + 40
    assert {event["why"] for event in b.told("retry.refused")} == {"attempts", "budget"}


def test_the_budget_comes_back_with_time():
    b = bench(UNSENT, backoff=0, budget=0.0)
    for _ in range(20):
        attempts(b, get())
    assert len(b.transport.seen) == 30
    b.clock.now += 10
    for _ in range(20):
        attempts(b, get())
    assert len(b.transport.seen) == 60


def test_an_upstream_that_fails_for_half_a_minute_gets_at_most_one_in_eight_more():
    b = bench(answer(503), backoff=0)
    for _ in range(3000):
        b.send()
        b.clock.now += 0.01
    assert len(b.transport.seen) <= 1.12 * 3000


def test_an_override_draws_from_the_same_budget():
    b = bench(UNSENT, backoff=0, budget=0.0, budget_per_second=0.3)
    for _ in range(10):
        attempts(b, get(options={"retry": Retry(attempts=9, backoff=0)}))
    assert len(b.transport.seen) == 10 + 3


def test_switched_off_for_one_call():
    assert attempts(bench(UNSENT), get(options={"retry": None})) == 1


def test_retries_are_told():
    b = bench(UNSENT, answer())
    b.send()
    about = {"upstream": "up", "host": "http://a:1", "attempt": 1, "pause": 0.025}
    assert b.told("retry.scheduled") == [about]


def test_a_streamed_answer_is_closed_before_the_next_attempt():
    closed = []
    streamed = StreamedResponse(503, Headers(), iter(()), lambda: closed.append(1))
    b = bench(streamed, answer())
    assert b.send(get(stream=True)).status_code == 200
    assert closed == [1]


def test_the_budget_describes_itself():
    b = bench(UNSENT, backoff=0)
    attempts(b, get())
    assert b.stack.describe()["budget"] == {"calls": 1, "spent": 1, "left": pytest.approx(9.1)}


@pytest.mark.parametrize("options", [{"attempts": 0}, {"backoff": -1}, {"budget": 1.5}, {"budget_per_second": None}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        Retry(**options)


def test_a_failure_leaves_nothing_for_the_garbage_collector():
    b = bench(lambda call: fails(), backoff=0)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            attempts(b, get())
        assert gc.collect() == 0
    finally:
        gc.enable()


def fails():
    raise UpstreamConnectError("refused")
