"""Every shape of request, in every kind of piece: read as gunicorn's own parser reads it, or refused."""

import ipaddress
import os
import random
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser

from fastdag.server.head import Peer
from fastdag.server.options import on_stock_path, refusals
from fastdag.server.reader import BadRequest, Reader, Rules
from tests.server.shapes import INVALID, VALID

PEER = ("127.0.0.1", 5000)


def whole(data):
    return [data]


def by_byte(data):
    return [data[i : i + 1] for i in range(len(data))]


def at_random(data):
    chance = random.Random(len(data))
    pieces = []
    while data:
        size = chance.randint(1, max(1, len(data) // 3))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


SPLITS = [whole, by_byte, at_random]


def read(pieces, cfg=None, *, most=1 << 20):
    """The requests in some bytes, as a connection would read them, and whether bytes are left over."""
    cfg = cfg or Config()
    reader = Reader(Rules(cfg, most), Peer(cfg, PEER))
    found = []
    for piece in pieces:
        while piece and reader.feed(piece):
            found.append((reader.head, reader.content))
            piece = reader.take_unread()
            if reader.head.should_close():
                return found, bool(piece)
    return found, bool(reader.unread) or reader.in_body


@pytest.mark.parametrize("name", VALID)
def test_valid_shapes_are_read_as_gunicorn_reads_them(name):
    data, bodies = VALID[name]
    for split in SPLITS:
        found, left = read(split(data))
        assert [content for _, content in found] == bodies
        assert not left
        assert mine(split(data)) == stock(data)


@pytest.mark.parametrize("name", INVALID)
def test_invalid_shapes_are_refused(name):
    data, status = INVALID[name]
    for split in SPLITS:
        with pytest.raises(BadRequest) as refused:
            read(split(data))
        assert refused.value.status == status


def stock(data, cfg=None):
    cfg = cfg or Config()
    cfg.set("http_parser", "python")
    return [shown(request, request.body.read()) for request in RequestParser(cfg, iter([data]), PEER)]


def mine(pieces, cfg=None):
    return [shown(head, content) for head, content in read(pieces, cfg)[0]]


def shown(head, content):
    target = (head.uri, head.path, head.query, head.fragment)
    fields = (head.headers, list(head.trailers))
    return (head.method, target, head.version, head.scheme, fields, content, head.should_close())


#: What gunicorn leaves to others, or to the limit of its own memory.
LEFT_OPEN = {"long chunk size line", "huge length", "no end of trailers in sight", "chunk size beyond 64 bits"}


def test_what_is_refused_is_refused_by_gunicorn_too():
    for name, (data, _) in INVALID.items():
        if name not in LEFT_OPEN:
            with pytest.raises((ParseException, NoMoreData)):
                pytest.fail(f"{name}: {stock(data)}")


def test_what_is_read_from_damaged_requests_is_what_gunicorn_reads():
    """Thousands of requests with a byte or two changed: whatever is accepted here, gunicorn reads the same in it."""
    chance = random.Random(9112)
    accepted = 0
    for _ in range(2000):
        data = bytearray(chance.choice(list(VALID.values()))[0])
        for _ in range(chance.randint(1, 2)):
            data[chance.randrange(len(data))] = chance.choice(b'\r\n\t :;,0125afAGT/\x00\x7f\xe9"%_-')
        try:
            found, left = read(whole(bytes(data)))
        except BadRequest:
            continue
        if not found or left:
            continue
        accepted += 1
        assert mine(whole(bytes(data))) == stock(bytes(data)), bytes(data)
    assert accepted > 150


def test_a_body_longer_than_it_may_be_is_refused_before_it_arrives():
    for head in (b"Content-Length: 1001\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3E9\r\n"):
        with pytest.raises(BadRequest) as refused:
            read([b"POST / HTTP/1.1\r\n" + head], most=1000)
        assert refused.value.status == 413


def test_chunks_are_added_up():
    chunk = b"64\r\n" + b"x" * 100 + b"\r\n"
    with pytest.raises(BadRequest) as refused:
        read([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 11], most=1000)
    assert refused.value.status == 413


def test_a_head_that_never_ends_is_refused_at_its_limit():
    pieces = [b"GET / HTTP/1.1\r\n", *[b"X: " + b"y" * 997] * 2000]
    with pytest.raises(BadRequest) as refused:
        read(pieces)
    assert refused.value.status == 431


def test_limits_and_permissions_are_gunicorns():
    cfg = Config()
    cfg.set("limit_request_fields", 2)
    cfg.set("limit_request_line", 20)
    for data, status in (
        (b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", 431),
        (b"GET /much-too-long HTTP/1.1\r\n\r\n", 414),
    ):
        with pytest.raises(BadRequest) as refused:
            read([data], cfg)
        assert refused.value.status == status
    cfg = Config()
    cfg.set("permit_unconventional_http_method", True)
    cfg.set("casefold_http_method", True)
    cfg.set("header_map", "drop")
    (head, _), *_ = read([b"get / HTTP/1.1\r\nX_Y: 1\r\nZ: 2\r\n\r\n"], cfg)[0]
    assert (head.method, head.headers) == ("GET", [("Z", "2")])


@pytest.mark.parametrize(("allowed", "scheme"), [("127.0.0.1", "https"), ("10.0.0.0/8", "http"), ("*", "https")])
def test_the_scheme_is_believed_from_trusted_proxies_only(allowed, scheme):
    cfg = Config()
    cfg.set("forwarded_allow_ips", allowed)
    assert not allowed[0].isdigit() or ipaddress.ip_network(allowed)
    (head, _), *_ = read([b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\n\r\n"], cfg)[0]
    assert head.scheme == scheme


CORPUS = os.environ.get("GUNICORN_TEST_REQUESTS")


@pytest.mark.skipif(not CORPUS, reason="GUNICORN_TEST_REQUESTS names no tests/requests of a gunicorn source release")
@pytest.mark.parametrize("split", SPLITS)
def test_gunicorns_own_corpus(split):
    """Where gunicorn's sources are at hand: its valid requests are read alike, its invalid ones refused."""
    assert CORPUS
    for path in sorted(Path(CORPUS, "valid").glob("*.http")):
        cfg = _config_of(path)
        data = _bytes_of(path)
        if not (on_stock_path(cfg) or refusals(cfg)) and not read(whole(data), cfg)[1]:
            assert mine(split(data), cfg) == stock(data, cfg), path.name
    for path in sorted(Path(CORPUS, "invalid").glob("*.http")):
        cfg = _config_of(path)
        if on_stock_path(cfg) or refusals(cfg):
            continue
        try:
            found, left = read(split(_bytes_of(path)), cfg)
        except BadRequest:
            continue
        assert left or not found, path.name  # cut short: refused when the client is done


def _config_of(path):
    names = {"uri": lambda data: {"raw": data}, "cfg": Config()}
    exec(path.with_suffix(".py").read_text(), names)
    return names["cfg"]


def _bytes_of(path):
    data = path.read_bytes().replace(b"\n", b"")
    for escape, byte in ((rb"\r\n", b"\r\n"), (rb"\0", b"\0"), (rb"\n", b"\n"), (rb"\t", b"\t")):
        data = data.replace(escape, byte)
    head, *rest = data.split(rb"\x")
    return head + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in rest)
