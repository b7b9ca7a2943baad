"""`Retry-After`, in both of its forms, and in none."""

import pytest

from fastdag.upstream.later import retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("9" * 5000, 9999999999.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("-1", None),
        ("1.5", None),
        ("\u0661", None),
        ("soon", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_seconds_or_a_date_or_nothing(value, seconds):
    assert retry_after({"retry-after": value}, wall=784111740.0) == seconds


def test_without_the_header_there_is_nothing():
    assert retry_after({}) is None
