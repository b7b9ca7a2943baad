"""The head of a request, whatever was asked before it."""

from random import Random

import pytest

from fastdag.errors import InvalidValue
from fastdag.upstream.call import Call, Host
from fastdag.upstream.transport.body import RequestLine
from fastdag.upstream.transport.decode import ACCEPTED

HOST = Host.parse("http://shop.test:81/api")
SHARED = (("User-Agent", "fastdag"),)
PROMISE = ("Fastdag-Deadline", "1.000")


def call(target="/a", method="GET", headers=SHARED, body=None, promise=PROMISE):
    made = Call(method, target, headers, body)
    made.promise = promise
    return made


def test_a_head_has_all_that_the_call_has():
    assert RequestLine(HOST).head(call()).decode() == (
        "GET /api/a HTTP/1.1\r\nHost: shop.test:81\r\nFastdag-Deadline: 1.000\r\n"
        f"User-Agent: fastdag\r\nAccept-Encoding: {ACCEPTED}\r\n\r\n"
    )


def test_a_head_that_was_made_is_not_made_again():
    line = RequestLine(HOST)
    assert line.head(call()) is line.head(call())


def test_calls_in_any_order_have_the_heads_that_they_have_alone():
    headers = (SHARED, (SHARED[0],), (("User-Agent", "other"),), (("Accept-Encoding", "gzip"),))
    promises = (PROMISE, None, ("Fastdag-Deadline", "0.412"))
    random, line = Random(1), RequestLine(HOST)
    for _ in range(2000):
        asked = call(
            random.choice(("/a", "/b", "/a?b")),
            random.choice(("GET", "GET", "HEAD", "POST", "DELETE")),
            random.choice(headers),
            random.choice((None, None, b"", b"body")),
            random.choice(promises),
        )
        assert line.head(asked) == RequestLine(HOST).head(asked)


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/\xe9", "/a\0"])
def test_a_target_that_is_not_encoded_is_refused_each_time(target):
    line = RequestLine(HOST)
    line.head(call())
    for _ in range(2):
        with pytest.raises(InvalidValue, match="target"):
            line.head(call(target))
    assert line.head(call()) == RequestLine(HOST).head(call())


def test_headers_that_none_can_carry_are_refused_each_time():
    line, bad = RequestLine(HOST), (("X", "a\r\nY: b"),)
    line.head(call())
    for _ in range(2):
        with pytest.raises(InvalidValue, match="control character"):
            line.head(call(headers=bad))
    assert line.head(call()) == RequestLine(HOST).head(call())


def test_a_promise_that_none_can_carry_leaves_no_request_with_the_end_of_another():
    line, theirs = RequestLine(HOST), (("Authorization", "Bearer of somebody else"),)
    line.head(call(headers=theirs))
    bad = call(promise=("Fastdag-Deadline", "\u20ac"))
    for _ in range(2):
        with pytest.raises(UnicodeEncodeError):
            line.head(bad)
    assert line.head(call()) == RequestLine(HOST).head(call())


def test_headers_that_somebody_set_as_a_list_may_change():
    line, headers = RequestLine(HOST), [("X-Id", "1")]
    asked = call()
    asked.headers = headers
    assert b"X-Id: 1" in line.head(asked)
    headers[0] = ("X-Id", "2")
    assert b"X-Id: 2" in line.head(asked)


def test_heads_that_never_come_again_are_forgotten():
    line = RequestLine(HOST)
    for number in range(1000):
        line.head(call(f"/{number}"))
    line.head(call("/" + "x" * 5000))
    assert 0 < len(line._known) <= 64
    assert max(map(len, line._known.values())) <= 1024
