"""Assertions about when calls were: on times that the test writes, then on a service."""

import math
import re

import pytest

from fastdag.testing import FakeUpstream, must_follow, must_overlap, must_stay_within
from fastdag.testing.calls import Received
from fastdag.upstream.call import Headers

from . import trips


def called(name, *spans):
    """A fake that was called at these times."""
    fake = FakeUpstream(name)
    fake.calls += [Received("GET", f"/{name}", {}, Headers(), began=a, ended=b) for a, b in spans]
    return fake


def fails(check, *args):
    with pytest.raises(AssertionError) as info:
        check(*args)
    return str(info.value)


def test_calls_overlap_if_both_were_in_flight_at_some_moment():
    must_overlap(called("a", (0, 2)), called("b", (1, 3)), called("c", (1.5, 1.6)))
    must_overlap(called("a", (0, math.inf)), called("b", (7, 8)))
    must_overlap(called("a", (0, 1), (4, 6)), called("b", (5, 7)))


def test_calls_one_after_another_do_not_overlap():
    message = fails(must_overlap, called("a", (10, 11)), called("b", (11, 12.5)))
    assert message.splitlines() == [
        "a and b did not overlap",
        "       0.0 to   1000.0 ms  GET /a",
        "    1000.0 to   2500.0 ms  GET /b",
    ]


def test_what_follows_begins_after_everything_before_it_has_ended():
    must_follow(called("c", (3, 4), (5, 6)), called("a", (0, 3)), called("b", (1, 2)))
    assert "c began before b had ended" in fails(
        must_follow, called("c", (3, 4)), called("a", (0, 1)), called("b", (1, 4))
    )


def test_the_peak_of_calls_in_flight_is_bounded():
    a, b = called("a", (0, 2), (1, 3), (3, 4)), called("b", (1.5, 1.7))
    must_stay_within(2, a)
    must_stay_within(3, a, b)
    assert fails(must_stay_within, 2, a, b).startswith("3 calls were in flight at once, more than 2\n")


@pytest.mark.parametrize("check", [must_overlap, must_follow, lambda a, b: must_stay_within(1, a, b)])
def test_what_was_never_called_is_no_success(check):
    assert re.fullmatch("[ab] was never called", fails(check, called("a"), called("b", (1, 2))).splitlines()[0])


@pytest.fixture
def slow_world(world):
    """Slow enough that a machine which is busy with something else makes no difference."""
    for fake in (world.places, world.weather, world.hotels):
        fake.delay = 0.05
    return world


def test_a_service_that_waits_for_no_more_than_it_needs(slow_world, app_client):
    app_client(trips.app).get("/trips/Oslo")
    there, back = sorted(slow_world.forecast.calls, key=lambda call: call.query["at"] != "59,17")
    assert (there.query, back.query) == ({"at": "59,17"}, {"at": "0,0"})
    must_overlap(slow_world.city, slow_world.weather)
    must_overlap(slow_world.near, slow_world.forecast)
    must_follow(slow_world.hotel, slow_world.near, slow_world.city)
    must_stay_within(4, slow_world.hotel, slow_world.near)


def test_a_service_that_could_overlap_more_is_found_out(slow_world, app_client):
    app_client(trips.app).get("/trips/Oslo")
    assert "did not overlap" in fails(must_overlap, slow_world.city, slow_world.near)
    assert "3 calls were in flight at once" in fails(must_stay_within, 2, slow_world.hotel)
