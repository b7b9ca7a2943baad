"""What goes upstream: nothing that came from a stranger can become more than a value."""

import datetime
import decimal
import enum
import uuid
from urllib.parse import unquote

import msgspec
import pytest

from fastdag.errors import InvalidValue
from fastdag.upstream.encode import (
    encode_body,
    encode_data,
    encode_header,
    encode_headers,
    encode_json,
    encode_params,
    encode_path,
    encode_segment,
    encode_target,
    header_names,
    text_of,
)


class Colour(enum.Enum):
    RED = "red"


# FAULTS M01, as a framework sees them: decoded once.
HOSTILE = [
    "%2e%2e",
    "..%2fadmin",
    "a/../../admin",
    "..;/x",
    "x?y=1",
    "x#y",
    "x\\y",
    "//evil",
    "http://evil/",
    "ä/ö",
    "...",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_segment_stays_one_segment(value):
    segment = encode_segment(value)
    assert not set("/?#\\;") & set(segment)
    assert segment.isascii()
    assert unquote(segment) == value


@pytest.mark.parametrize(
    "value", ["", ".", "..", "\0", "a\r\nX: 1", "\x7f", "\ud800", None, [], {}, object(), float("nan"), b"\xff"]
)
def test_segment_that_cannot_be_one_is_refused(value):
    with pytest.raises(InvalidValue):
        encode_segment(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (1.5, "1.5"),
        (b"bytes", "bytes"),
        (decimal.Decimal("1.10"), "1.10"),
        (datetime.date(2026, 1, 31), "2026-01-31"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
    ],
)
def test_text_is_what_json_would_write(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/", "/"),
        ("/products/42", "/products/42"),
        ("/a b/ä", "/a%20b/%C3%A4"),
        ("/already%20encoded", "/already%20encoded"),
        ("/a?b=c&d=/../e", "/a?b=c&d=/../e"),
        ("//evil/x", "//evil/x"),
        ("/x\\y", "/x%5Cy"),
        ("/.well-known/a..b", "/.well-known/a..b"),
    ],
)
def test_path_by_hand_is_encoded_where_it_must_be(path, sent):
    assert encode_path(path) == sent


@pytest.mark.parametrize(
    "path",
    ["", "x", "http://evil/", "/a/../b", "/a/.", "/%2e%2E/b", "/..;x/b", "/a#b", "/a\r\nHost: evil", "/\0", "/\ud800"],
)
def test_path_by_hand_that_would_ask_for_something_else_is_refused(path):
    with pytest.raises(InvalidValue):
        encode_path(path)


def test_path_that_is_no_string_is_refused_with_an_example():
    with pytest.raises(TypeError, match="'/products/42'"):
        encode_path(42)


def test_params_keep_their_order_repeat_lists_and_leave_out_none():
    params = {"b": [1, None, "x y"], "a": True, "n": None, "e": "", "ä": "&=#"}
    assert encode_params(params) == "b=1&b=x%20y&a=true&e=&%C3%A4=%26%3D%23"
    assert encode_params([("a", 1), ("b", 2), ("a", (3,))]) == "a=1&b=2&a=3"


@pytest.mark.parametrize("value", ["a\r\nb", "\0", {"a": 1}, [[1]], float("inf")])
def test_param_that_cannot_be_sent_is_refused(value):
    with pytest.raises(InvalidValue):
        encode_params({"q": value})


def test_params_as_text_are_refused():
    with pytest.raises(TypeError, match="a mapping or a list of pairs"):
        encode_params("a=1")


def test_target_joins_path_and_params():
    assert encode_target("/a", {"b": 1}) == "/a?b=1"
    assert encode_target("/a?x=2", {"b": 1}) == "/a?x=2&b=1"
    assert encode_target("/a", {"b": None}) == "/a"


def test_headers_are_sent_as_text():
    assert encode_headers({"X-A": 1, "X-B": None, "X-C": " \xe9\t"}) == [("X-A", "1"), ("X-C", "\xe9")]


@pytest.mark.parametrize("value", ["a\r\nX: 1", "a\nb", "a\0b", "\u20ac", "\x7f", "\x1b[0m"])
def test_header_value_that_no_header_can_carry_is_refused_without_repeating_it(value):
    with pytest.raises(InvalidValue, match="no header can carry") as caught:
        encode_header("X-A", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ä", "X\r\n", 7, "Host", "connection", "Content-Length", "TE"])
def test_header_name_that_is_none_or_not_ours_to_set_is_refused(name):
    with pytest.raises(InvalidValue):
        encode_header(name, "x")


def test_headers_that_are_no_mapping_are_refused():
    with pytest.raises(TypeError, match="mapping of names to values"):
        encode_headers([("a", "b")])


def test_names_to_let_through_are_lower_case_and_unique():
    assert header_names("forward_headers", ["Accept-Language", "x-a", "X-A"]) == ("accept-language", "x-a")


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("accept", TypeError, r"like \('accept',\)"),
        (7, TypeError, "a collection of names"),
        (["*,"], ValueError, "letters, digits and hyphens"),
        (["Connection"], ValueError, "never passed on"),
        (["Proxy-Authorization"], ValueError, "never passed on"),
    ],
)
def test_names_that_cannot_be_let_through_are_refused(names, error, message):
    with pytest.raises(error, match=message):
        header_names("forward_headers", names)


class Point(msgspec.Struct):
    x: float


@pytest.mark.parametrize("value", [float("nan"), {"a": [1, float("inf")]}, Point(float("-inf")), (float("nan"), None)])
def test_json_without_a_json_form_is_refused(value):
    with pytest.raises(InvalidValue, match="no place in JSON"):
        encode_json(value)


def test_json_is_strict():
    assert encode_json({"a": None, "b": [Point(1.5)], "c": "ä"}) == '{"a":null,"b":[{"x":1.5}],"c":"ä"}'.encode()
    with pytest.raises(InvalidValue, match="no Unicode text"):
        encode_json("\ud800")


def test_bodies():
    pieces = iter([b"a", b"b"])
    assert encode_body() == (None, None)
    assert encode_body(json={}) == (b"{}", "application/json")
    assert encode_data(bytearray(b"x")) == (b"x", None)
    assert encode_data("ä") == ("ä".encode(), None)
    assert encode_data({"a": [1, 2], "b": "x &\n", "c": None}) == (
        b"a=1&a=2&b=x+%26%0A",
        "application/x-www-form-urlencoded",
    )
    assert encode_data([("a", "b")])[0] == b"a=b"
    assert encode_data(pieces) == (pieces, None)


def test_two_bodies_or_none_at_all_are_refused():
    with pytest.raises(TypeError, match="give json= or data=, not both"):
        encode_body(json={}, data=b"")
    with pytest.raises(TypeError, match="an iterable of bytes"):
        encode_data(7)


@pytest.mark.parametrize("pieces", [[b"ab"], ["ab"], [b"hello"], [("a", 1, 2)]])
def test_a_list_of_what_is_no_pair_is_refused_and_not_torn_apart(pieces):
    with pytest.raises(TypeError, match="is no pair"):
        encode_data(pieces)
