"""Header fields, as the RFCs and as the world write them."""

import pytest

from fastdag.upstream.policies.fields import directives, http_date, names, seconds


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", {}),
        ("no-store", {"no-store": ""}),
        ("Max-Age=60, PUBLIC", {"max-age": "60", "public": ""}),
        ('private="Set-Cookie, X", max-age="5"', {"private": "Set-Cookie, X", "max-age": "5"}),
        ("max-age = 60 ,, ,public,", {"max-age": "60", "public": ""}),
        ("max-age=1, max-age=2", {"max-age": "1"}),
        ('x="a\\"b"', {"x": 'a\\"b'}),
        ('x="open', None),
        ("a b", None),
    ],
)
def test_directives(value, found):
    assert directives(value) == found


def test_names():
    assert names("Accept, ACCEPT-Language,, ") == {"accept", "accept-language"}


@pytest.mark.parametrize(
    ("value", "found"),
    [("60", 60), ("0", 0), (None, None), ("-1", None), ("1.5", None), ("٣", None), ("9" * 5000, 1 << 31)],
)
def test_seconds(value, found):
    assert seconds(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0), ("0", None), (None, None), ("Sun, 99 Nov", None)],
)
def test_http_date(value, found):
    assert http_date(value) == found
