"""U54: what is no JSON is a decode error, whatever it looks like and whoever reads it."""

from typing import Any

import msgspec
import pytest

from fastdag.errors import UpstreamDecodeError
from fastdag.upstream.call import Headers, Response


class Item(msgspec.Struct):
    a: int


BROKEN = {
    "deep": b"[" * 100_000,
    "deep and whole": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "5000 digits": b"1" * 5000,
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "1e999": b"1e999",
    "lone surrogate": b'"\\ud800"',
    "swapped surrogates": b'"\\udc00\\ud800"',
    "encoded surrogate": b'"\xed\xa0\x80"',
    "BOM": b"\xef\xbb\xbf1",
    "UTF-16": "1".encode("utf-16"),
    "bad UTF-8": b'"\xff"',
    "bad UTF-8 in a key": b'{"\xff":1}',
    "overlong UTF-8": b'"\xc0\x80"',
    "control character": b'"\x01"',
    "NUL behind": b"1\0",
    "leading zero": b"01",
    "trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "two values": b"1 2",
    "cut": b"[1,2,3",
    "nothing": b"",
    "HTML": b"<html>maintenance</html>",
}


def response(body):
    return Response(200, Headers(), body)


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", [Any, Item, list[Item]], ids=["any", "struct", "list"])
def test_broken(body, kind):
    with pytest.raises(UpstreamDecodeError):
        response(body).json(kind)


@pytest.mark.parametrize("body", [b'{"a":1,"x":"\xff"}', b'{"a":1,"\xff":2}', b'{"a":1,"x":NaN}', b'{"a":"1"}', b"[]"])
def test_broken_where_the_type_does_not_look(body):
    with pytest.raises(UpstreamDecodeError):
        response(body).json(Item)


def test_not_broken():
    assert response(b'{"r":1,"r":2}').json() == {"r": 2}  # the last of duplicate keys
    assert response(b"null").json() is None
    assert response(b'"\\ud83d\\ude00\\u0000"').json() == "\U0001f600\0"
    assert response(b'{"a":1,"x":2}').json(Item) == Item(1)
