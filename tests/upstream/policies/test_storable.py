"""What a shared cache may keep, and how long: RFC 9111 as a table."""

import pytest

from fastdag.upstream.call import Call
from fastdag.upstream.policies.storable import cacheable, lifetime

from .scripted import answer, get

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
AUTHORIZED = get("/x", ("Authorization", "Bearer a"))


def life(response, call=None, *, ttl=None, while_revalidate=None, if_error=None):
    found = lifetime(call or get(), response, NOW, ttl=ttl, while_revalidate=while_revalidate, if_error=if_error)
    return None if found is None else tuple(found)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"Cache_Control": "max-age=60"}, (60, 0, 0)),
        ({"Cache_Control": "max-age=60, s-maxage=10"}, (10, 0, 0)),
        ({"Cache_Control": "max-age=60", "Age": "20"}, (40, 0, 0)),
        ({"Cache_Control": "max-age=60", "Expires": "Sun, 06 Nov 1994 08:49:38 GMT"}, (60, 0, 0)),
        ({"Expires": "Sun, 06 Nov 1994 08:50:37 GMT"}, (60, 0, 0)),
        ({"Expires": "Sun, 06 Nov 1994 08:50:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:07 GMT"}, (90, 0, 0)),
        ({"Expires": "0"}, None),
        ({"Cache_Control": "max-age=0"}, None),
        ({"Cache_Control": "max-age=soon"}, None),
        ({}, None),
        ({"Cache_Control": "max-age=60, stale-while-revalidate=5, stale-if-error=7"}, (60, 5, 7)),
        ({"Cache_Control": "max-age=0, stale-while-revalidate=5"}, (0, 5, 0)),
        ({"Cache_Control": "max-age=60, stale-if-error=7, must-revalidate"}, (60, 0, 0)),
        ({"Cache_Control": "max-age=60, stale-if-error=7, proxy-revalidate"}, (60, 0, 0)),
        ({"Cache_Control": "s-maxage=60, stale-if-error=7"}, (60, 0, 0)),
    ],
)
def test_the_upstream_says_how_long(headers, found):
    assert life(answer(**headers)) == found


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache_Control": "no-store"},
        {"Cache_Control": "no-cache"},
        {"Cache_Control": 'no-cache="X"'},
        {"Cache_Control": "private, max-age=60"},
        {"Cache_Control": 'max-age=60, private="X"'},
        {"Cache_Control": 'max-age=60, x="open'},
        {"Set_Cookie": "sid=a"},
        {"Vary": "*"},
        {"Vary": "Accept, *"},
        {"Vary": "traceparent"},
    ],
)
def test_never_kept_even_with_a_ttl_of_our_own(headers):
    assert life(answer(**headers), ttl=60) is None


@pytest.mark.parametrize("status", [201, 204, 206, 301, 304, 404, 500])
def test_only_200(status):
    assert life(answer(status), ttl=60) is None


def test_a_ttl_of_our_own_overrides_how_long():
    assert life(answer(Cache_Control="max-age=1", Age="1", Vary="Accept-Language"), ttl=60) == (60, 0, 0)


def test_stale_windows_of_our_own_do_not_override_must_revalidate():
    fresh = answer(Cache_Control="must-revalidate, max-age=9")
    assert life(fresh, ttl=60, while_revalidate=5, if_error=7) == (60, 0, 0)
    assert life(answer(), ttl=60, while_revalidate=5, if_error=7) == (60, 5, 7)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("max-age=60", None),
        ("max-age=60, public", (60, 0, 0)),
        ("max-age=60, must-revalidate", (60, 0, 0)),
        ("s-maxage=60", (60, 0, 0)),
    ],
)
def test_an_answer_to_an_authorized_call_is_kept_only_if_the_upstream_allows(said, found):
    assert life(answer(Cache_Control=said), AUTHORIZED) == found


def test_or_if_we_do():
    assert life(answer(), AUTHORIZED, ttl=60) == (60, 0, 0)


@pytest.mark.parametrize(
    "call",
    [
        Call("POST", "/x", []),
        Call("HEAD", "/x", []),
        Call("GET", "/x", [], b"body"),
        get(stream=True),
        get("/x", ("Range", "bytes=0-1")),
        get("/x", ("if-none-match", "1")),
        get("/x", ("Cache-Control", "no-cache")),
        get("/x", ("Pragma", "no-cache")),
    ],
)
def test_calls_that_pass_by(call):
    assert not cacheable(call)


def test_calls_that_do_not():
    assert cacheable(AUTHORIZED)
