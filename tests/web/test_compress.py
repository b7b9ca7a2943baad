"""Answers above a size are compressed the way the client likes best."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from webob import Request, Response
from webtest import TestApp

from fastdag.context import Context
from fastdag.web.compress import CODINGS, MIN_BYTES, chosen, compress
from tests.web.common import client, graph_of


def page(size: int) -> TestApp:
    def text(context: Context) -> dict[str, str]:
        return {"text": "x" * (size - len('{"text":""}'))}

    return client(graph_of(text), methods=("GET", "POST"))


def ask(app: TestApp, method: str, accept_encoding: str) -> Response:
    """The answer as it is; WebTest's own methods decode it."""
    request = Request.blank("/", headers={"Accept-Encoding": accept_encoding}, method=method)
    return request.get_response(app.app)


def decoders() -> dict[str, Callable[[bytes], bytes]]:
    """Of the codings that this environment has."""
    found: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress}
    if "zstd" in CODINGS:
        import zstandard

        found["zstd"] = zstandard.ZstdDecompressor().decompress
    if "br" in CODINGS:
        import brotli

        found["br"] = brotli.decompress
    return found


@pytest.mark.parametrize("coding", list(CODINGS))
def test_every_coding_gives_the_content_back_and_the_same_bytes_each_time(coding: str) -> None:
    content = b'{"a":[1,2,3]}' * 500

    packed = compress(content, coding)

    assert decoders()[coding](packed) == content
    assert len(packed) < len(content) / 5
    assert compress(content, coding) == packed


def test_an_answer_above_the_size_is_compressed() -> None:
    app = page(MIN_BYTES)

    plain = ask(app, "GET", "identity")
    packed = ask(app, "GET", "gzip")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["Content-Length"] == str(len(packed.body))
    assert packed.headers["Vary"] == plain.headers["Vary"] == "accept-encoding"
    assert packed.headers["ETag"] == plain.headers["ETag"][:-1] + '-gzip"'
    assert ask(app, "POST", "gzip").headers["Content-Encoding"] == "gzip"
    assert ask(app, "HEAD", "gzip").headers["Content-Length"] == str(len(packed.body))


def test_the_tag_of_one_coding_is_not_the_tag_of_another() -> None:
    app = page(MIN_BYTES)
    packed = ask(app, "GET", "gzip").headers["ETag"]

    assert app.get("/", headers={"If-None-Match": packed}).status_int == 200
    app.get("/", headers={"If-None-Match": packed, "Accept-Encoding": "gzip"}, status=304)


def test_a_small_answer_is_sent_as_it_is() -> None:
    response = ask(page(MIN_BYTES - 1), "GET", "gzip")

    assert "Content-Encoding" not in response.headers
    assert "Vary" not in response.headers


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip", "gzip"),
        ("GZip;q=0.5", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.2, identity", None),
        ("identity", None),
        ("deflate", None),
        ("*;q=0", None),
        ("gzip;q=nonsense", None),
        ("gzip;q=7", None),
        ("gzip;q=nan", None),
        (",,", None),
        ("*", next(iter(CODINGS))),
        ("gzip, br, zstd", next(iter(CODINGS))),
    ],
)
def test_the_client_s_favourite_is_chosen_and_ours_among_equals(accept_encoding: str, coding: str | None) -> None:
    assert chosen(accept_encoding) == coding
