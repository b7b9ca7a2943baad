"""An answer whose head was parsed before is the same answer."""

import pytest

from fastdag.errors import UpstreamError
from fastdag.upstream.transport.heads import Heads
from fastdag.upstream.transport.options import Options
from fastdag.upstream.transport.parser import Inbound
from tests.faults.rows import CHUNKED, OK

LEARNED = {
    "length": OK,
    "not found": "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
    "empty": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bodiless": "HTTP/1.1 204 No\r\n\r\n",
    "coded": OK.replace("\r\n\r\n", "\r\nContent-Encoding: gzip\r\nKeep-Alive: timeout=5\r\n\r\n"),
    "old": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
}
NEVER = {
    "chunks": CHUNKED + "2\r\nok\r\n0\r\n\r\n",
    "closed": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "interim": "HTTP/1.1 103 Hints\r\n\r\n" + OK,
    "long": OK.replace("\r\n\r\n", "\r\nX: " + "y" * 1024 + "\r\n\r\n"),
    "more": OK + "H",
    "another": OK + OK,
}
BEHIND = ["", "\r\n", "X", "\0", OK, "HTTP/1.1 200 OK\r\n"]
NOTES = ("status", "head", "body", "encoding", "keep_alive", "headed", "complete", "extra", "reusable", "received")


def inbound(heads=None, **options):
    return Inbound(Options(**options), heads or Heads())


def read(inbound, *pieces, is_head=False, max_bytes=1 << 20):
    """What became of an answer: all that is noted of it, or why it was refused."""
    inbound.begin(is_head, max_bytes)
    try:
        # Whatever comes after an answer that is whole is the connection's to notice.
        whole = any(inbound.feed(piece.encode("latin-1")) for piece in pieces if piece)
        ended = inbound.finish()
    except UpstreamError as error:
        return str(error)
    return whole, ended, *(getattr(inbound, note) for note in NOTES)


def knowing(answer):
    """A parser that has read an answer, and the heads that it knows from it."""
    heads = Heads()
    first = inbound(heads)
    read(first, answer)
    return first, heads


@pytest.mark.parametrize("answer", LEARNED.values(), ids=LEARNED)
@pytest.mark.parametrize("behind", BEHIND)
def test_a_known_head_says_what_it_said_before(answer, behind):
    _, heads = knowing(answer)
    assert heads.known
    for at in range(1, len(answer + behind) + 1):
        pieces = (answer + behind)[:at], (answer + behind)[at:]
        again, _ = knowing(answer)  # on the same connection
        assert read(again, *pieces) == read(inbound(), *pieces) == read(inbound(heads), *pieces), at


@pytest.mark.parametrize("answer", LEARNED.values(), ids=LEARNED)
@pytest.mark.parametrize("call", [{"is_head": True}, {"max_bytes": 1}])
def test_a_known_head_is_read_as_the_call_asks_for(answer, call):
    _, heads = knowing(answer)
    for pieces in ([answer], [answer[:-1]], list(answer)):
        assert read(inbound(heads), *pieces, **call) == read(inbound(), *pieces, **call)


def test_a_head_answer_has_no_body_whatever_its_length_says():
    known, _ = knowing(OK)
    known.begin(True, 1 << 20)
    assert known.feed(OK[:-2].encode())
    assert (known.body, known.extra, known.reusable) == (b"", False, True)
    known.begin(True, 1 << 20)
    assert known.feed(OK.encode())
    assert (known.body, known.extra, known.reusable) == (b"", True, False)


@pytest.mark.parametrize("answer", LEARNED.values(), ids=LEARNED)
def test_the_parser_reads_on_behind_answers_that_it_was_not_asked_for(answer):
    known, heads = knowing(answer)
    read(known, answer)
    for other in (*LEARNED.values(), *NEVER.values()):
        assert read(known, *other) == read(inbound(), *other)
        if not known.reusable:
            known = inbound(heads)


def test_the_parser_is_not_asked_about_a_known_head():
    known, _ = knowing(OK)
    known.begin(False, 1 << 20)
    known._parser = None  # whoever asked it would find nobody
    assert known.feed(OK.encode())


def test_an_answer_that_ends_with_its_connection_may_follow_one_that_came_in_parts():
    parts, closed = (OK[:-1], OK[-1:]), "HTTP/1.1 200 OK\r\n\r\nall"
    used = inbound()
    assert read(used, *parts)[0]
    assert read(used, closed) == read(inbound(), closed)
    assert used.complete


def test_a_body_may_change_below_its_head():
    known, _ = knowing(OK)
    assert read(known, OK[:-2] + "no")[4] == b"no"


@pytest.mark.parametrize("answer", NEVER.values(), ids=NEVER)
def test_what_says_more_than_a_length_is_read_again(answer):
    assert not knowing(answer)[1].known


def test_heads_that_never_come_again_are_forgotten():
    heads = Heads()
    for number in range(1000):
        read(inbound(heads), OK.replace("\r\n\r\n", f"\r\nX-Request-Id: {number}\r\n\r\n"))
    assert 0 < len(heads.known) <= 64
