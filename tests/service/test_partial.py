"""What becomes of a page when a part of it fails (FAULTS.md U57, U58, U61)."""

import time

import gevent

from tests.faults.conftest import eventually
from tests.service.app import HASTY
from tests.service.conftest import ok, status


def page(case, *, user=None, detail=None, recs=None, price=None):
    """Scripts for the four parts of a page; one that is not given works."""
    case.script("/user/1", *(user or [ok({"id": 2})]))
    case.script("/detail/2", *(detail or [ok({"name": "two"})]))
    case.script("/recs/1", *(recs or [ok([1, 2])]))
    case.script("/price/1", *(price or [ok(5)]))


WHOLE = {"user": {"id": 2}, "detail": {"name": "two"}, "recs": [1, 2], "price": 5}


def test_a_page_that_is_whole(either):
    page(either)
    answer = either.ask("/page/1")
    assert (answer.status, answer.json(), answer["fastdag-complete"]) == (200, WHOLE, "true")


def test_u57_an_optional_part_costs_its_own_time_and_no_more(either):
    either.build(part=0.2)
    page(either, recs=[("stall",)])
    start = time.monotonic()
    answer = either.ask("/page/1")
    assert time.monotonic() - start < 2  # the run has 5 s, an attempt 3, the part 0.2
    assert answer.status == 200
    assert answer.json() == {key: value for key, value in WHOLE.items() if key != "recs"}
    assert answer["fastdag-missing"] == "recs;reason=timeout"
    assert answer["cache-control"] == "no-store"
    assert either.circuit("two")["failures"] == 1  # the part's time is less than an attempt's, but all it ever has


def test_u58_nobody_is_asked_for_what_depends_on_a_failure(either):
    page(either, user=[("sleep", 0.05), status(500)], recs=[("stall",)], price=[("stall",)])
    answer = either.ask("/page/1")
    assert (answer.status, answer.json()["node"], answer.json()["reason"]) == (502, "user", "status")
    # The siblings' connections are closed; their own time is over after 2 s.
    assert eventually(lambda: either.upstream.order()["open"] <= 1, 1.5)
    assert either.hits("/detail/2") == 0
    assert either.circuit("two")["failures"] == 0  # what was cancelled says nothing about its host


def test_an_optional_part_that_is_refused_is_missing(either):
    page(either, recs=[("rst",)], price=[("send", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n5"), ("fin",)])
    answer = either.ask("/page/1")
    assert (answer.status, answer["fastdag-missing"]) == (200, "recs;reason=connect, price;reason=protocol")


def test_stale_data_stands_in_for_a_part(case):
    page(case)
    assert case.ask("/page/1")["fastdag-complete"] == "true"
    page(case, price=[status(500)])
    gevent.sleep(0.06)  # what was stored is fresh no longer
    answer = case.ask("/page/1")
    assert (answer.status, answer.json()) == (200, WHOLE)
    assert (answer["fastdag-complete"], answer["fastdag-missing"]) == ("false", "price;reason=status;fallback;stale")
    assert answer["cache-control"] == "no-store"


def test_u61_a_black_hole_swallows_nobody_else(case):
    case.build(part=0.2, two=HASTY, admission=256)
    page(case, recs=[("stall",)], price=[("stall",)])
    case.script("/solo/61", ok())
    answers = []

    def ask(target):
        start = time.monotonic()
        answers.append((target, case.ask(target), time.monotonic() - start))

    asking = []
    for number in range(75):
        asking += [gevent.spawn(ask, "/page/1"), gevent.spawn(ask, "/solo/61")]
        gevent.sleep(0.02)
        if number % 10 == 0:
            slots = case.gauges()["layers"]["two"]["bulkhead"]
            assert slots["in_flight"] <= 8
    gevent.joinall(asking, raise_error=True)
    assert {answer.status for _, answer, _ in answers} == {200}
    # Nine of ten: those that were under way when the machine paused tell nothing.
    solo = sorted(seconds for target, _, seconds in answers if target == "/solo/61")
    assert solo[len(solo) * 9 // 10] < 0.4
    missing = [answer["fastdag-missing"] for target, answer, _ in answers if target == "/page/1"]
    assert all(missing)
    assert missing.count("recs;reason=breaker_open, price;reason=breaker_open") > len(missing) / 3
    # The first five failures take 0.2 s, and by then 8 are on their way; after that probes only, one at a time.
    assert case.hits("/recs/1") + case.hits("/price/1") <= 30
