"""The parser without sockets: every way to split an answer gives the same answer."""

import pytest

from fastdag.errors import UpstreamError
from fastdag.upstream.call import Headers
from fastdag.upstream.transport.heads import Heads
from fastdag.upstream.transport.options import Options
from fastdag.upstream.transport.parser import Inbound
from tests.faults.rows import CHUNKED, OK

ANSWERS = {
    "length": OK,
    "chunks": CHUNKED + "1\r\no\r\n1;x=y\r\nk\r\n0\r\nX: y\r\n\r\n",
    "interim": "HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 100 Go\r\n\r\n" + OK,
    "empty": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bodiless": "HTTP/1.1 204 No\r\n\r\n",
}


def feed(*pieces, is_head=False, max_bytes=1 << 20, **options):
    inbound = Inbound(Options(**options), Heads())
    inbound.begin(is_head, max_bytes)
    whole = False
    for piece in pieces:
        assert not whole
        whole = inbound.feed(piece.encode("latin-1"))
    return inbound, whole


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_every_split_in_two_gives_the_same_answer(answer):
    body = b"ok" if "ok" in answer or "k\r\n" in answer else b""
    for at in range(1, len(answer)):
        inbound, whole = feed(answer[:at], answer[at:])
        assert (whole, inbound.body, inbound.extra, inbound.reusable) == (True, body, False, True), at


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("more", ["H", "X", OK, "\0"])
def test_bytes_behind_an_answer_are_noted_and_not_part_of_it(answer, more):
    clean, _ = feed(answer)
    for at in range(1, len(answer)):
        inbound, whole = feed(answer[:at], answer[at:] + more)
        assert (whole, inbound.body, inbound.extra) == (True, clean.body, True), at


def test_one_parser_reads_one_answer_after_the_other():
    inbound, _ = feed(OK)
    for is_head, answer, body in [(True, OK[:-2], b""), (False, OK, b"ok"), (False, ANSWERS["chunks"], b"ok")]:
        inbound.begin(is_head, 1 << 20)
        assert inbound.feed(answer.encode())
        assert (inbound.body, inbound.reusable, inbound.extra) == (body, True, False)


def test_headers_are_taken_apart_when_they_are_read():
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX-Utf: \xc3\xa9\r\nset-cookie:b \r\nEmpty:\r\n\r\n"
    headers = Headers(head=head)
    assert headers.raw == [("Set-Cookie", "a"), ("X-Utf", "\xc3\xa9"), ("set-cookie", "b"), ("Empty", "")]
    assert headers["SET-COOKIE"] == "a, b"
    assert headers.get_all("set-cookie") == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("timeout=5, max=100", 4),
        ("max=1, timeout = 60", 59),
        ("timeout=1", 0.5),
        ("timeout=0", 0),
        ('timeout="5"', 4),
        ("timeout=x", None),
        ("max=5", None),
        ("timeout=" + "9" * 30, 999_999_998),
    ],
)
def test_keep_alive(value, seconds):
    inbound, _ = feed(OK.replace("\r\n\r\n", f"\r\nKeep-Alive: {value}\r\n\r\n"))
    assert inbound.keep_alive == seconds


def test_header_bytes_are_counted_before_they_are_parsed():
    head = OK.replace("\r\n\r\n", "\r\nX: " + "y" * 100 + "\r\n\r\n")
    size = head.index("\r\n\r\n") + 4
    assert feed(head, max_header_bytes=size)[1]
    for pieces in ([head], list(head)):
        with pytest.raises(UpstreamError, match=f"longer than {size - 1} bytes"):
            feed(*pieces, max_header_bytes=size - 1)


def test_body_may_be_as_long_as_the_limit():
    assert feed(OK, max_bytes=2)[1]
    with pytest.raises(UpstreamError, match="longer than 1 bytes"):
        feed(OK, max_bytes=1)


@pytest.mark.parametrize("behind", ["200 OK", "404 No", "503 Busy", "100 Go", "5", "2"])
def test_an_answer_has_its_own_status_whatever_stands_behind_it(behind):
    answer = "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno" + f"HTTP/1.1 {behind}"
    for more in ("", "\r\nContent-Length: 0\r\n\r\n"):
        inbound, whole = feed(answer + more)
        assert (whole, inbound.status, inbound.body, inbound.extra, inbound.reusable) == (
            True,
            404,
            b"no",
            True,
            False,
        )


def test_an_interim_head_says_nothing_of_the_connection():
    inbound, whole = feed("HTTP/1.1 103 Hints\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nok")
    assert not whole
    assert inbound.finish()
    assert (inbound.body, inbound.reusable) == (b"ok", False)
