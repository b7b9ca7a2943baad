"""What is served from the cache when, and what is said about it (FAULTS.md K01 to K06)."""

import gevent
import pytest

from tests.faults.conftest import eventually
from tests.service.conftest import ok, status

LONG = {"ttl": 0.05, "stale_while_revalidate": 60, "stale_if_error": 60}
IN_ERROR = {"ttl": 0.05, "stale_if_error": 60}
OVER = 0.06  # the ttl, and the tenth that it may vary


def test_k01_stale_at_once_and_refreshed_once(either):
    either.build(kept={"cache": LONG})
    path = either.script("/cached/1", ("gate",), ok({"v": 2}), first=[ok({"v": 1}, "Age: 7")])
    assert either.ask("/cached/1").json() == {"v": 1}
    gevent.sleep(OVER)
    answers = [gevent.spawn(either.ask, "/cached/1") for _ in range(10)]
    answers = [found.get(timeout=5) for found in answers]
    assert {str(answer.json()) for answer in answers} == {"{'v': 1}"}
    assert {answer["fastdag-complete"] for answer in answers} == {"true"}  # within its window it is no failure
    assert {int(answer["age"]) for answer in answers} <= {7, 8, 9}
    either.let_go(path)
    assert eventually(lambda: either.gauges()["layers"]["kept"]["cache"]["refreshing"] == 0)
    assert either.hits(path) == 2
    assert either.ask("/cached/1").json() == {"v": 2}


FAULTS = {
    "reset": ([("rst",)], "connect"),
    "500": ([status(500)], "status"),
    "503 with a pause": ([status(503, "Retry-After: 9")], "status"),
    "time-out": ([("stall",)], "timeout"),
    "bad JSON": ([("send", ok()[1].replace("{}", "{]"))], "decode"),
    "cut": ([("send", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), ("fin",)], "protocol"),
}


@pytest.mark.parametrize(("steps", "reason"), FAULTS.values(), ids=FAULTS)
def test_k02_stale_in_place_of_an_error(case, steps, reason):
    case.build(kept={"cache": IN_ERROR}, hasty=reason == "timeout")
    case.script("/cached/2", *steps, first=[ok({"v": 1}, "Age: 7")])
    assert case.ask("/cached/2")["fastdag-complete"] == "true"
    gevent.sleep(OVER)
    answer = case.ask("/cached/2")
    assert (answer.status, answer.json()) == (200, {"v": 1})
    assert int(answer["age"]) in (7, 8, 9)
    assert (answer["fastdag-complete"], answer["cache-control"]) == ("false", "no-store")
    assert answer["fastdag-missing"] == f"answer;reason={reason};fallback;stale"


@pytest.mark.parametrize(("steps", "reason"), FAULTS.values(), ids=FAULTS)
def test_k02_no_answer_outside_of_the_window(case, steps, reason):
    case.build(kept={"cache": {"ttl": 0.05, "stale_if_error": 0.05}}, hasty=reason == "timeout")
    case.script("/cached/2", *steps, first=[ok({"v": 1})])
    case.ask("/cached/2")
    gevent.sleep(0.12)
    answer = case.ask("/cached/2")
    assert answer.status == {"timeout": 504, "status": 502 if steps == [status(500)] else 503}.get(reason, 502)
    assert answer.json()["reason"] == reason


def test_k02_stale_in_place_of_an_open_breaker(case):
    case.build(kept={"cache": IN_ERROR, "breaker": {"open": 30}})
    path = case.script("/cached/2", ok({"v": 1}))
    case.ask("/cached/2")
    case.script("/cached/3", status(500))
    while case.circuit("kept")["state"] == "closed":
        case.ask("/cached/3")
    gevent.sleep(OVER)
    answer = case.ask("/cached/2")
    assert (answer.status, answer["fastdag-missing"]) == (200, "answer;reason=breaker_open;fallback;stale")
    assert case.hits(path) == 1


def test_k02_stale_in_place_of_a_full_bulkhead(case):
    case.build(kept={"cache": IN_ERROR, "bulkhead": {"limit": 1, "wait": 0}})
    case.script("/cached/2", ok({"v": 1}))
    case.script("/cached/3", ("gate",), ok())
    case.ask("/cached/2")
    gevent.sleep(OVER)
    other = gevent.spawn(case.ask, "/cached/3")
    assert eventually(lambda: case.hits("/cached/3") == 1)
    assert case.ask("/cached/2")["fastdag-missing"] == "answer;reason=bulkhead_full;fallback;stale"
    case.let_go("/cached/3")
    assert other.get(timeout=5).status == 200


@pytest.mark.parametrize("said", ["no-store", "no-cache", "must-revalidate", "proxy-revalidate", "s-maxage=60"])
def test_k03_never_stale_against_the_upstreams_will(case, said):
    case.build(kept={"cache": LONG})
    path = case.script("/cached/3", status(500), first=[ok({"v": 1}, f"Cache-Control: {said}")])
    case.ask("/cached/3")
    gevent.sleep(OVER)
    assert case.ask("/cached/3").status == 502
    assert case.hits(path) == 2


def test_k04_a_client_error_replaces_what_is_stored(case):
    case.build(kept={"cache": IN_ERROR})
    case.script("/cached/4", status(404), first=[ok({"v": 1})])
    case.ask("/cached/4")
    gevent.sleep(OVER)
    assert [case.ask("/cached/4").status for _ in range(2)] == [502, 502]


def test_k05_many_callers_of_an_expired_answer(case):
    """Without stale-while-revalidate everybody waits; coalescing makes it one call."""
    case.build(kept={"cache": IN_ERROR, "coalesce": True})
    path = case.script("/cached/5", ("gate",), ok({"v": 2}), first=[ok({"v": 1})])
    case.ask("/cached/5")
    gevent.sleep(OVER)
    asking = [gevent.spawn(case.ask, path) for _ in range(25)]
    assert eventually(lambda: case.gauges()["layers"]["kept"]["coalesce"]["joined"] == 24)
    case.let_go(path)
    assert {found.get(timeout=5).status for found in asking} == {200}
    assert case.hits(path) == 2


def test_k06_a_refresh_that_hangs_ends_with_its_attempt(case):
    case.build(kept={"cache": LONG, "attempt_timeout": 2.0})
    path = case.script("/cached/6", ("stall",), first=[ok({"v": 1})])
    case.ask("/cached/6")
    gevent.sleep(OVER)
    for _ in range(3):
        assert case.statuses([path] * 10) == {200: 10}
    assert case.hits(path) == 2
    assert case.gauges()["layers"]["kept"]["cache"]["refreshing"] == 1
    assert eventually(lambda: case.gauges()["layers"]["kept"]["cache"]["refreshing"] == 0)
    assert case.circuit("kept")["failures"] == 1


def test_k06_refreshes_that_hang_leave_room_for_others(case):
    case.build(kept={"cache": LONG, "attempt_timeout": 1.0})
    paths = [case.script(f"/cached/h{number}", ("stall",), first=[ok({"v": 1})]) for number in range(30)]
    assert case.statuses(paths[:15]) == case.statuses(paths[15:]) == {200: 15}
    gevent.sleep(OVER)
    assert case.statuses(paths) == {200: 30}
    assert case.gauges()["layers"]["kept"]["cache"]["refreshing"] <= 16
