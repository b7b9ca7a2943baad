"""Options that make no sense are refused where they are written."""

import pytest

from fastdag.upstream.transport.native import NativeTransport


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"connect_timeout": 0}, "connect_timeout takes a positive number"),
        ({"idle": "4"}, "idle takes seconds"),
        ({"max_age": float("nan")}, "max_age takes a positive number"),
        ({"max_headers": 0}, "max_headers is at least 1"),
        ({"refuse": ["localhost"]}, "localhost"),
        ({"idel": 4}, "idel"),
    ],
)
def test_refused(options, why):
    with pytest.raises((TypeError, ValueError), match=why):
        NativeTransport(**options)


def test_none_is_no_limit():
    assert (
        repr(NativeTransport(connect_timeout=None, idle=None, max_age=None)) == "<NativeTransport [0 active, 0 idle]>"
    )
