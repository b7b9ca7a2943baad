"""Breakers, budgets and bulkheads under load (FAULTS.md U34 to U37, U40, U41), counted by the upstream."""

import time

import gevent
import pytest

from tests.faults.conftest import eventually
from tests.service.conftest import ok, status


def heal(case, path, name="one"):
    """From now on the upstream works: within the longest pause (a second) and one more, the service does, too.

    Two seconds more are for the machine; a breaker with its own pause of a minute would still be noticed.
    """
    case.script(path, ok())
    assert eventually(lambda: case.ask(path).status == 200, 4.0)
    assert eventually(lambda: case.ask(path).status == 200 and case.circuit(name)["state"] == "closed", 3.0)
    assert case.statuses([path] * 8) == {200: 8}


def test_u34_retries_of_half_of_the_calls_stay_within_the_budget(case):
    case.build(one={"breaker": None, "bulkhead": None}, admission=256)
    for number in range(200):
        case.script(f"/solo/{number}", ok(), first=[status(503) if number % 2 else ok()])
    seen = case.statuses([f"/solo/{number}" for number in range(200)], every=0.005)
    spent = case.gauges()["budget"]["one"]["spent"]
    attempts = sum(case.hits(f"/solo/{number}") for number in range(200))
    assert attempts == 200 + spent
    assert spent <= 200 * 0.1 + 10  # 10 % of the calls, and 1 a second in a window of ten
    assert spent >= 20
    assert seen == {200: 100 + spent, 503: 100 - spent}


def test_u34_a_breaker_opens_when_half_of_the_calls_fail(case):
    case.script("/solo/bad", status(500))
    case.script("/solo/good", ok())
    asked = 0
    while case.circuit()["state"] == "closed":
        case.ask("/solo/bad" if asked % 2 else "/solo/good")
        asked += 1
    assert asked == 20


def test_u35_an_outage_and_its_end(case):
    case.build(admission=256)
    path = case.script("/solo/35", ("rst",))
    start = time.monotonic()
    seen = case.statuses([path] * 150, every=0.01)
    # The fifth failure opens it; some calls are on their way by then. After that one probe a window, of which there
    # are four at most in the second and a half that this takes, 0.3 s, 0.6, 0.75, 0.75, and more on a slow machine.
    most = 25 + max(0.0, time.monotonic() - start - 1.5) / 0.75
    assert case.hits(path) <= most
    assert seen[503] >= 150 - most
    assert seen[502] + seen[503] == 150
    heal(case, path)


def test_u35_callers_of_an_open_breaker_are_answered_without_the_upstream(case):
    case.build(one={"breaker": {"open": 30}})
    path = case.script("/solo/35", status(500))
    for _ in range(5):
        assert case.ask(path).status == 502
    answers = [case.ask(path) for _ in range(20)]
    assert {answer.status for answer in answers} == {503}
    assert {answer.json()["reason"] for answer in answers} == {"breaker_open"}
    assert {int(answer["retry-after"]) for answer in answers} <= set(range(15, 31))
    assert case.hits(path) == 5
    assert (case.circuit()["state"], case.circuit()["calls"]) == ("open", 0)  # U40: rejections count for nothing


def test_u36_one_probe_for_fifty_callers(either):
    either.build(admission=64)
    either.trip()
    path = either.script("/solo/36", ("gate",), ok())
    asking = [gevent.spawn(either.ask, path) for _ in range(50)]
    assert eventually(lambda: sum(found.ready() for found in asking) == 49)  # while the probe is on its way
    assert [found.value.status for found in asking if found.ready()] == [503] * 49
    either.let_go(path)
    assert [found.get(timeout=5).status for found in asking].count(200) == 1
    assert either.hits(path) == 1
    assert either.circuit()["state"] == "half_open"


@pytest.mark.parametrize("how", ["client", "deadline"])
def test_u37_a_probe_that_is_abandoned_gives_its_permit_back(case, how):
    case.build(hasty=how == "deadline")
    case.trip()
    path = case.script("/solo/37", ("stall",))
    if how == "client":
        case.leave("/solo/37", when=lambda: case.hits(path) == 1)
        assert case.circuit()["state"] == "half_open"  # nothing is known about the host
    else:
        assert case.ask("/solo/37").status == 504
        assert case.circuit()["state"] == "open"
    heal(case, path)


def test_u37_a_probe_whose_node_is_out_of_time_gives_its_permit_back(case):
    case.build(part=0.2)
    case.script("/user/1", ok({"id": 2}))
    case.script("/detail/2", ok())
    case.script("/recs/1", ("stall",))
    case.script("/price/1", status(500))
    assert eventually(lambda: case.ask("/page/1").status == 200 and case.circuit("two")["state"] == "open", 10.0)
    case.script("/recs/1", ok())
    case.script("/price/1", ok())
    assert eventually(lambda: case.ask("/page/1")["fastdag-complete"] == "true")


def test_u37_a_probe_whose_siblings_failure_ends_the_run_gives_its_permit_back(case):
    case.script("/user/1", ok({"id": 2}))
    case.script("/detail/2", ok())
    case.script("/recs/1", status(500))
    case.script("/price/1", status(500))
    while case.circuit("two")["state"] == "closed":
        case.ask("/page/1")
    assert eventually(lambda: not case.circuit("two")["half_open_in"])
    case.script("/user/1", ("sleep", 0.05), status(500))
    case.script("/recs/1", ("stall",))
    case.script("/price/1", ("stall",))
    assert case.ask("/page/1").status == 502
    assert case.circuit("two")["state"] == "half_open"
    for part in ("/user/1", "/recs/1", "/price/1"):
        case.script(part, ok({"id": 2}))
    assert eventually(lambda: case.ask("/page/1")["fastdag-complete"] == "true")


def test_u40_what_never_left_is_no_failure_of_the_upstream(case):
    case.build(one={"bulkhead": {"limit": 2, "queue": 2, "wait": 0.05}}, admission=64)
    path = case.script("/solo/40", ("gate",), ok())
    asking = [gevent.spawn(case.ask, path) for _ in range(50)]
    assert eventually(lambda: sum(found.ready() for found in asking) == 48)  # while two hold the slots
    assert [found.value.status for found in asking if found.ready()] == [503] * 48
    case.let_go(path)
    assert [found.get(timeout=5).status for found in asking].count(200) == 2
    assert case.hits(path) == 2
    assert case.gauges()["layers"]["one"]["bulkhead"]["rejected"] == 48
    assert (case.circuit()["state"], case.circuit()["calls"], case.circuit()["failures"]) == ("closed", 2, 0)


def test_u40_callers_that_wait_get_their_turn(case):
    case.build(one={"bulkhead": {"limit": 2, "queue": 2, "wait": 3.0}})
    path = case.script("/solo/40", ("sleep", 0.1), ok())
    assert case.statuses([path] * 4) == {200: 4}
    assert case.upstream.order()["connections"] == 2


def test_u41_a_deadline_that_is_too_short_is_its_callers_fault(case):
    case.build(trusted=["127.0.0.1"], one={"bulkhead": None}, admission=64)
    path = case.script("/solo/41", ("sleep", 0.2), ok())
    asking = [gevent.spawn(case.ask, "/solo/41", "Fastdag-Deadline: 0.05") for _ in range(40)]
    answers = [found.get(timeout=5) for found in asking]
    assert {answer.status for answer in answers} == {504}
    assert (case.circuit()["state"], case.circuit()["failures"]) == ("closed", 0)
    assert case.ask("/solo/41").status == 200
    assert case.hits(path) <= 41


def test_u41_an_untrusted_deadline_is_ignored(case):
    case.script("/solo/41", ok())
    assert case.ask("/solo/41", "Fastdag-Deadline: 0").status == 200


def waiting(case):
    return case.gauges()["layers"]["one"]["bulkhead"]["waiting"]


def test_a_client_that_leaves_the_queue_for_a_slot_takes_none(case):
    case.build(one={"bulkhead": {"limit": 1, "queue": 2, "wait": 5.0}})
    path = case.script("/solo/1", ("gate",), ok())
    first = gevent.spawn(case.ask, "/solo/1")
    assert eventually(lambda: case.hits(path) == 1)
    case.leave("/solo/2", when=lambda: waiting(case) == 1)
    assert eventually(lambda: waiting(case) == 0)
    second = gevent.spawn(case.ask, "/solo/1")
    assert eventually(lambda: waiting(case) == 1)
    case.let_go(path)
    assert (first.get(timeout=5).status, second.get(timeout=5).status) == (200, 200)
    assert (case.hits(path), case.hits("/solo/2")) == (2, 0)


def test_a_deadline_ends_the_wait_for_a_slot(case):
    case.build(one={"bulkhead": {"limit": 1, "queue": 8, "wait": 5.0}}, trusted=["127.0.0.1"])
    path = case.script("/solo/1", ("gate",), ok())
    first = gevent.spawn(case.ask, path)
    assert eventually(lambda: case.hits(path) == 1)
    asking = [gevent.spawn(case.ask, path, "Fastdag-Deadline: 0.2") for _ in range(4)]
    assert [found.get(timeout=5).status for found in asking] == [504] * 4
    case.let_go(path)
    assert first.get(timeout=5).status == 200
    assert case.hits(path) == 1
    assert case.circuit()["calls"] == 1  # who waited in vain says nothing about the host


def test_a_client_that_leaves_during_the_pause_before_a_retry_ends_the_retry(case):
    path = case.script("/solo/1", ok(), first=[status(503, "Retry-After: 2")])
    case.leave("/solo/1", when=lambda: case.hits(path) == 1 and case.gauges()["budget"]["one"]["spent"] == 1)
    assert eventually(lambda: case.gauges()["in_flight"] == 0, 1.5)
    gevent.sleep(2.1)
    assert case.hits(path) == 1
