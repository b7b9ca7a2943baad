"""Several hosts, and hosts that are not to be trusted (FAULTS.md U01, U44), as a service's callers see them."""

import time
from collections import Counter

import pytest

from tests.service.conftest import ok

CLOSED = "http://127.0.0.1:1"


def test_one_dead_host_of_two_costs_nobody_an_answer(either):
    either.build(one={"url": [either.upstream.host().url, CLOSED]})
    path = either.script("/solo/1", ok())
    start = time.monotonic()
    seen = sum((either.statuses([path] * 4) for _ in range(15)), Counter())
    assert seen == {200: 60}
    assert either.hits(path) == 60
    # What the dead one refused was asked of the other. For a second after that it is not chosen; by then all four that
    # were asked at once may have been.
    assert either.gauges()["budget"]["one"]["spent"] <= 4 + 4 * (time.monotonic() - start)


def test_u01_all_hosts_dead(case):
    case.build(one={"url": CLOSED})
    answer = case.ask("/solo/1")
    assert (answer.status, answer.json()["reason"]) == (502, "connect")
    assert case.gauges()["budget"]["one"]["spent"] == 1  # two tries
    (circuit,) = case.gauges()["layers"]["one"]["breaker"].values()
    assert circuit["failures"] == 2


def test_u01_an_optional_parts_host_is_dead(case):
    case.build(two={"url": CLOSED})
    case.script("/user/1", ok({"id": 2}))
    case.script("/detail/2", ok())
    answer = case.ask("/page/1")
    assert (answer.status, answer["fastdag-missing"]) == (200, "recs;reason=connect, price;reason=connect")


@pytest.mark.parametrize("name", ["expired", "stranger", "old"])
@pytest.mark.parametrize("transport", [None, "requests"])
def test_u44_a_host_that_is_not_to_be_trusted_is_asked_once(case, name, transport):
    case.build(one={"url": case.upstream.host(name).url, "transport": transport})
    answer = case.ask("/solo/1")
    assert (answer.status, answer.json()["reason"]) == (502, "connect")
    assert (case.upstream.order()["connections"], case.hits("/solo/1")) == (1, 0)
    assert case.gauges()["budget"]["one"]["spent"] == 0
