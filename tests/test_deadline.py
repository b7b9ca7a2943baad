"""Deadlines are instants; timeouts are what users write."""

import math

import pytest

from fastdag import deadline


def test_after_is_so_far_ahead():
    before = deadline.now()
    assert before + 5 <= deadline.after(5) <= deadline.now() + 5
    assert deadline.after(None) is None


def test_the_earliest_deadline_counts():
    assert deadline.earliest(3.0, 2.0) == 2.0
    assert deadline.earliest(2.0, 3.0) == 2.0
    assert deadline.earliest(None, 2.0) == 2.0
    assert deadline.earliest(2.0, None) == 2.0
    assert deadline.earliest(None, None) is None


def test_what_remains_is_never_negative():
    assert deadline.remaining(None) is None
    assert deadline.remaining(deadline.now() - 5) == 0.0
    assert 4 < deadline.remaining(deadline.now() + 5) <= 5


@pytest.mark.parametrize("value", [1, 0.5, 1e9])
def test_seconds_are_numbers(value):
    found = deadline.check_seconds("timeout=", value)
    assert found == value
    assert isinstance(found, float)


def test_no_limit_is_none():
    assert deadline.check_seconds("timeout=", None) is None


def test_zero_is_allowed_where_it_makes_sense():
    assert deadline.check_seconds("timeout=", 0, zero=True) == 0.0
    with pytest.raises(ValueError, match=r"^timeout= takes a positive number of seconds, or None; not 0$"):
        deadline.check_seconds("timeout=", 0)


@pytest.mark.parametrize("value", ["1", True, False, [1], object])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match=r"^timeout= takes seconds as a number, or None; not "):
        deadline.check_seconds("timeout=", value)


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, -math.inf])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(ValueError, match=r"^timeout= takes a positive number of seconds, or None; not "):
        deadline.check_seconds("timeout=", value, zero=True)
