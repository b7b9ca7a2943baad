"""Bodies are bounded, whole, and strict JSON before any node runs."""

from __future__ import annotations

import io
from typing import Any

import pytest

from fastdag.context import Context
from tests.web.common import client, graph_of

CALLS: list[Any] = []


def echo(context: Context) -> dict[str, Any]:
    CALLS.append(context.body)
    return {"json": context.json, "size": len(context.body)}


@pytest.fixture(autouse=True)
def no_calls_yet() -> None:
    CALLS.clear()


def post(body: Any, *, content_type: str = "application/json", status: int = 200, **environ: Any) -> Any:
    """What an app that takes 2000 bytes answers; a server that says nothing about the length leaves it out."""
    app = client(graph_of(echo), methods=("POST",), app={"max_request_bytes": 2000})
    stream = io.BytesIO(body) if isinstance(body, bytes) else body
    environ = {"wsgi.input": stream, "CONTENT_TYPE": content_type, **environ}
    if isinstance(body, bytes):
        environ.setdefault("CONTENT_LENGTH", str(len(body)))
    request = app.RequestClass.blank("/", {k: v for k, v in environ.items() if v is not None}, method="POST")
    # Not through WebTest's lint: it refuses to carry what is refused here.
    app.lint = False
    return app.do_request(request, status=status)


def chunked(body: bytes) -> dict[str, Any]:
    return {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": None}


class Unreadable:
    """A body of which the client never gets to the end, or that nobody may touch."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, size: int = -1) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"]
)
def test_json_is_decoded(content_type: str) -> None:
    assert post(b'{"a":[1]}', content_type=content_type).json["json"] == {"a": [1]}


def test_what_is_not_json_is_left_as_it_is() -> None:
    assert post(b"a=1", content_type="application/x-www-form-urlencoded").json == {"json": None, "size": 3}


def test_no_body_is_no_json() -> None:
    assert post(b"").json == {"json": None, "size": 0}


def test_a_chunked_body_is_read_to_its_end() -> None:
    assert post(b"[1,2]", **chunked(b"")).json["json"] == [1, 2]


def test_a_body_that_arrives_in_pieces_is_read_to_its_end() -> None:
    class Pieces(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    assert post(Pieces(b"[1,2]"), CONTENT_LENGTH="5").json["json"] == [1, 2]


@pytest.mark.parametrize(
    ("body", "environ", "status"),
    [
        (Unreadable(AssertionError("read before it was refused")), {"CONTENT_LENGTH": "2001"}, 413),
        (b"1" * 2001, chunked(b""), 413),
        (b"abc", {"CONTENT_LENGTH": "100"}, 400),
        (b"abc", {"CONTENT_LENGTH": "9" * 5000}, 413),
        (b"abc", {"CONTENT_LENGTH": "+3"}, 400),
        (b"abc", {"CONTENT_LENGTH": "1_0"}, 400),
        (b"abc", {"CONTENT_LENGTH": "-3"}, 400),
        (b"abc", {"CONTENT_LENGTH": "٣"}, 400),
        (Unreadable(OSError("the client is gone")), {"CONTENT_LENGTH": "3"}, 400),
        (Unreadable(ValueError("bad chunk")), chunked(b""), 400),
        (Unreadable(TimeoutError()), {"CONTENT_LENGTH": "3"}, 408),
    ],
)
def test_a_body_that_is_not_taken_reaches_no_node(body: Any, environ: dict[str, Any], status: int) -> None:
    response = post(body, status=status, **environ)

    assert response.content_type == "application/problem+json"
    assert response.json["status"] == status
    assert CALLS == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1,]",
        b"NaN",
        b"[1e999]",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"1 2",
        b"'a'",
        b" ",
        b"[" * 201 + b"]" * 201,
        b'{"a":' * 201 + b"1" + b"}" * 201,
        b"[" * 1000,
    ],
)
def test_what_is_no_strict_json_reaches_no_node(body: bytes) -> None:
    response = post(body, status=400)

    assert response.content_type == "application/problem+json"
    assert CALLS == []


def test_two_hundred_levels_are_not_too_deep_and_neither_are_many_brackets() -> None:
    assert post(b"[" * 200 + b"]" * 200).status_int == 200
    assert post(b"[" + b"[],{}," * 120 + b"1]").status_int == 200


def test_leading_zeros_do_not_make_a_length_long() -> None:
    assert post(b"[1]", CONTENT_LENGTH="0" * 5000 + "3").json["json"] == [1]


def test_of_repeated_keys_the_last_counts() -> None:
    assert post(b'{"a":1,"a":2}').json["json"] == {"a": 2}
