"""Hedges (FAULTS.md U33): the second call, whose answer wins, and what becomes of the first."""

from tests.service.conftest import ok

HEDGE = {"after": 0.05, "extra": 1.0}


def test_u33_the_faster_of_two_answers_wins(either):
    either.build(one={"hedge": HEDGE})
    path = either.script("/solo/33", ok({"try": 2}), first=[("sleep", 2.5), ok({"try": 1})])
    answer = either.ask("/solo/33")
    assert (answer.status, answer.json()) == (200, {"try": 2})
    assert either.hits(path) == 2
    assert either.upstream.order()["open"] <= 2  # the loser's is closed, that of `echo` is not opened yet
    assert either.gauges()["budget"]["one"]["spent"] == 1


def test_u33_an_answer_that_is_in_time_is_not_hedged(case):
    case.build(one={"hedge": {"after": 2.0, "extra": 1.0}})
    path = case.script("/solo/33", ok())
    assert case.statuses([path] * 8) == {200: 8}
    assert case.hits(path) == 8


def test_u33_no_hedge_while_the_breaker_is_half_open(case):
    case.build(one={"hedge": HEDGE})
    case.trip()
    path = case.script("/solo/33", ("sleep", 0.2), ok())
    assert case.ask("/solo/33").status == 200
    assert case.hits(path) == 1


def test_u33_hedges_are_bounded(case):
    case.build(one={"hedge": {"after": 0.01, "extra": 0.05}, "bulkhead": None})
    path = case.script("/solo/33", ("sleep", 0.05), ok())
    for _ in range(5):
        assert case.statuses([path] * 12) == {200: 12}
    assert 60 < case.hits(path) <= 60 + 3


def test_u33_a_hedge_of_a_client_that_leaves_ends_with_it(case):
    case.build(one={"hedge": HEDGE})
    path = case.script("/solo/33", ("stall",))
    case.leave("/solo/33", when=lambda: case.hits(path) == 2)
