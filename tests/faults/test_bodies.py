"""Requests with bodies: framing, upstreams that do not read, and answers that come early."""

import gzip
import time

import gevent
import pytest

from fastdag.errors import InvalidValue, UpstreamError, UpstreamTimeout
from tests.faults.conftest import eventually
from tests.faults.rows import OK
from tests.machine import PAUSE

EARLY = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"
LARGE = bytes(5 << 20)


def head(client):
    return client.upstream.order()["heads"][-1].lower().split("\r\n")


@pytest.mark.parametrize("size", [0, 1, 40_000, 5 << 20])
def test_bytes_are_framed_by_length(client, size):
    path = client.upstream.script(("body",), ("send", OK))
    assert client.call(path, method="POST", body=bytes(size)).content == b"ok"
    assert f"content-length: {size}" in head(client)
    assert client.call(path, method="POST", body=b"x").content == b"ok"
    assert client.upstream.order()["connections"] == 1


@pytest.mark.parametrize(
    "pieces", [[b"a", b"", b"bc"], [], [bytes(100_000)] * 20, [memoryview(b"x"), bytearray(b"y")]]
)
def test_iterables_are_sent_in_chunks(client, pieces):
    path = client.upstream.script(("body",), ("send", OK))
    assert client.call(path, method="POST", body=iter(pieces)).content == b"ok"
    assert "transfer-encoding: chunked" in head(client)
    client.healthy()
    assert client.upstream.order()["connections"] == 1


def test_no_body(client):
    client.call("/echo/x", method="POST")
    assert "content-length: 0" in head(client)
    client.call("/echo/x")
    assert not any(line.startswith("content-length") for line in head(client))


def test_accept_encoding_is_the_callers_if_he_says_so(client):
    client.call("/echo/x", headers=[("Accept-Encoding", "br")])
    assert [line for line in head(client) if line.startswith("accept-encoding")] == ["accept-encoding: br"]
    client.call("/echo/x")
    assert any(line.startswith("accept-encoding: gzip, deflate") for line in head(client))


@pytest.mark.parametrize(
    "how",
    [
        {"headers": [("X-A", "a\r\nX-B: b")]},
        {"headers": [("X-A", "a\nb")]},
        {"headers": [("X-A", "a\0b")]},
        {"headers": [("X-A", "\u20ac")]},
        {"headers": [("X-A\r\n", "a")]},
        {"path": "/a b"},
        {"path": "/a\r\nX: y"},
        {"path": "/\xe9"},
        {"method": "GET /x HTTP/1.1\r\n\r\nGET"},
        {"method": "GET /x"},
    ],
)
def test_m03_nothing_starts_a_line_of_its_own(client, how):
    with pytest.raises(InvalidValue):
        client.call(how.pop("path", "/"), **how)
    assert client.upstream.order()["connections"] == 0


@pytest.mark.parametrize("body", [LARGE, [bytes(65536)] * 80], ids=["bytes", "iterable"])
def test_u60_upstream_that_does_not_read_leaks_nothing(client, body):
    path = client.upstream.script(("no_read", 1.5), ("fin",))

    def post():
        with pytest.raises(UpstreamTimeout) as caught:
            client.call(path, method="POST", body=body if isinstance(body, bytes) else iter(body), seconds=0.2)
        return caught.value.sent

    started = time.monotonic()
    greenlets = [gevent.spawn(post) for _ in range(20)]
    assert all(greenlet.get(timeout=5) for greenlet in greenlets)
    assert time.monotonic() - started < 0.2 + PAUSE
    assert "[0 active, 0 idle]" in repr(client.transport)
    assert client.transport.dropped == {"timeout": 20}


@pytest.mark.parametrize("then", [("no_read", 0.1), ("fin",), ("rst",)], ids=lambda step: step[0])
@pytest.mark.parametrize("body", [LARGE, [bytes(65536)] * 80], ids=["bytes", "iterable"])
def test_early_answer_is_seen_while_still_sending(client, body, then):
    wait = () if then[0] != "rst" else (("no_read", 0.05),)
    path = client.upstream.script(("send", EARLY), *wait, then, ("fin",))
    answer = client.call(path, method="POST", body=body if isinstance(body, bytes) else iter(body))
    assert (answer.status_code, answer.content) == (413, b"big")
    assert client.transport.dropped == {"early_answer": 1}


def test_early_answer_ends_the_wait_for_a_piece(client):
    ended = []

    def pieces():
        try:
            yield b"a"
            gevent.sleep(30)
        finally:
            ended.append(True)

    answer = client.call(client.upstream.script(("send", EARLY), ("stall",)), method="POST", body=pieces(), seconds=10)
    assert (answer.status_code, answer.content) == (413, b"big")
    assert ended == [True]
    assert client.transport.dropped == {"early_answer": 1}


def test_iterable_that_does_not_let_itself_be_interrupted(client):
    def pieces():
        yield b"a"
        for _ in range(3):
            try:
                gevent.sleep(0.02)
            except BaseException:
                pass
            yield b"b"

    answer = client.call(client.upstream.script(("send", EARLY), ("stall",)), method="POST", body=pieces())
    assert (answer.status_code, answer.content) == (413, b"big")


def test_streamed_answer_that_nobody_reads_is_closed_at_its_deadline(client):
    answer = client.call(client.upstream.script(("send", OK)), stream=True, seconds=1.0)
    assert eventually(lambda: "[0 active, 0 idle]" in repr(client.transport))
    assert client.transport.dropped == {"timeout": 1}
    assert answer.content == b"ok", "what has come can still be read"


def test_iterable_that_fails_is_the_callers(client):
    def pieces():
        yield b"a"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        client.call(client.upstream.script(("body",), ("send", OK)), method="POST", body=pieces())
    assert "[0 active, 0 idle]" in repr(client.transport)


def test_iterable_of_something_else(client):
    with pytest.raises(TypeError, match="made of bytes, not of str"):
        client.call(client.upstream.script(("body",)), method="POST", body=iter(["a"]))


def test_iterable_that_waits_is_bounded_by_the_deadline(client):
    def pieces():
        yield b"a"
        gevent.sleep(5)

    started = time.monotonic()
    with pytest.raises(UpstreamTimeout) as caught:
        client.call(client.upstream.script(("body",)), method="POST", body=pieces(), seconds=0.1)
    assert caught.value.sent
    assert time.monotonic() - started < 0.1 + PAUSE


def test_iterable_is_pulled_no_faster_than_it_is_sent(client):
    pulled = []

    def pieces():
        for number in range(1000):
            pulled.append(number)
            yield bytes(65536)

    with pytest.raises(UpstreamTimeout):
        client.call(client.upstream.script(("no_read", 1), ("fin",)), method="POST", body=pieces(), seconds=0.1)
    assert len(pulled) < 500


# Answers that are read piece by piece.


def test_stream(client):
    path = client.upstream.script(
        ("send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), ("sleep", 0.05), ("send", "cd")
    )
    with client.call(path, stream=True) as answer:
        assert answer.status_code == 200
        assert list(answer) == [b"ab", b"cd"]
        assert client.idle() == 1
    assert client.idle() == 1


def test_stream_that_nobody_reads_ends_with_the_deadline(client):
    path = client.upstream.script(("send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), ("stall",))
    answer = client.call(path, stream=True, seconds=0.8)
    assert "[1 active" in repr(client.transport)
    assert eventually(lambda: "[0 active" in repr(client.transport))
    with pytest.raises(UpstreamTimeout):
        list(answer)


def test_stream_that_is_left_early_closes_its_connection(client):
    path = client.upstream.script(("send", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"), ("stall",))
    with client.call(path, stream=True) as answer:
        assert next(iter(answer)) == b"ab"
    with client.call(path, stream=True):
        pass
    assert client.transport.dropped == {"cancelled": 2}


def test_closing_a_stream_that_is_at_its_end_leaves_the_next_call_alone(client):
    answer = client.call("/echo/x", stream=True)
    assert answer.content == b"x"
    other = client.upstream.script(("gate",), ("send", OK))
    greenlet = gevent.spawn(client.call, other)
    assert eventually(lambda: other in client.upstream.order()["requests"])
    answer.close()
    client.upstream.order(let_go=other)
    assert greenlet.get(timeout=5).content == b"ok"


def test_stream_is_bounded_and_decoded(client):
    data = gzip.compress(b"text" * 100_000).decode("latin-1")
    path = client.upstream.script(
        ("send", f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(data)}\r\n\r\n{data}")
    )
    assert client.call(path, stream=True).content == b"text" * 100_000
    with pytest.raises(UpstreamError, match="longer than 1000 bytes"):
        list(client.call(path, stream=True, max_bytes=1000))
