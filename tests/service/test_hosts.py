"""Several hosts, and hosts that are not to be trusted (FAULTS.md U01, U44), as a service's callers see them."""

import pytest

from tests.service.conftest import ok

CLOSED = "http://127.0.0.1:1"


def test_one_dead_host_of_two_costs_nobody_an_answer(either):
    # Room and time enough that a machine that pauses rejects nobody: the dead host is the only trouble.
    patient = {"bulkhead": None, "connect_timeout": 5.0, "attempt_timeout": 5.0}
    either.build(timeout=10.0, admission=64, one={"url": [either.upstream.host().url, CLOSED], **patient})
    path = either.script("/solo/1", ok())
    seen = either.statuses([path] * 60, every=0.002)
    assert seen == {200: 60}
    assert either.hits(path) == 60
    # What the dead one refused was asked of the other. Failing fast counts as slow, so it is hardly ever chosen.
    assert either.gauges()["budget"]["one"]["spent"] <= 5


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
