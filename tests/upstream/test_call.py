"""What goes through the stack: calls, hosts, and answers as their readers see them."""

import pytest

from fastdag.errors import UpstreamDecodeError
from fastdag.upstream.call import Call, Headers, Host, Response, StreamedResponse


def test_another_attempt_is_the_same_call():
    call = Call(
        "PUT",
        "/x",
        [("a", "b")],
        b"body",
        host=Host.parse("http://a"),
        deadline=7.0,
        idempotent=False,
        max_bytes=5,
        stream=True,
        timeout=0.5,
        options={"retry": None},
    )
    call.attempt, call.early, call.tried = 2, True, (call.host,)
    other = call.again()
    assert other is not call
    assert not other.early  # that was the other attempt
    assert all(getattr(other, name) == getattr(call, name) for name in Call.__slots__ if name != "early")


@pytest.mark.parametrize(
    ("url", "scheme", "name", "port", "prefix", "authority"),
    [
        ("http://catalog", "http", "catalog", 80, "", "catalog"),
        ("http://catalog:8080/", "http", "catalog", 8080, "", "catalog:8080"),
        ("https://catalog:443/a/b/", "https", "catalog", 443, "/a/b", "catalog"),
        ("https://10.0.0.1:80", "https", "10.0.0.1", 80, "", "10.0.0.1:80"),
        ("http://[::1]:8080", "http", "::1", 8080, "", "[::1]:8080"),
        ("unix:///run/a.sock", "unix", "/run/a.sock", 0, "", "localhost"),
    ],
)
def test_host_is_taken_apart(url, scheme, name, port, prefix, authority):
    host = Host.parse(url)
    assert (host.scheme, host.name, host.port, host.prefix, host.authority) == (scheme, name, port, prefix, authority)


@pytest.mark.parametrize(
    "headers",
    [
        Headers([("X-A", "1"), ("x-a", "2"), ("B", "")]),
        Headers(head=b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:2\r\nB:\r\n\r\n"),
    ],
)
def test_headers_are_looked_up_without_regard_to_case(headers):
    assert (headers["x-A"], headers.get("b"), headers.get("c")) == ("1, 2", "", None)
    assert headers.get_all("X-a") == ["1", "2"]
    assert (len(headers), list(headers)) == (2, ["x-a", "b"])
    assert headers.raw == [("X-A", "1"), ("x-a", "2"), ("B", "")]
    assert repr(headers) == f"Headers({headers.raw!r})"


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        (None, "ä".encode(), "ä"),
        ("text/plain; charset=latin-1", b"\xe4", "ä"),
        ('text/plain; format=flowed; CHARSET="UTF-16-LE"', "ä".encode("utf-16-le"), "ä"),
    ],
)
def test_text_is_in_the_declared_charset(content_type, content, text):
    headers = Headers([("Content-Type", content_type)] if content_type else [])
    assert Response(200, headers, content).text == text


@pytest.mark.parametrize("charset", ["utf-8", "no-such", "hex", "idna", "IDNA", "punycode", "undefined", "\0"])
def test_text_that_is_none_is_a_decode_error(charset):
    headers = Headers([("Content-Type", f"text/plain; charset={charset}")])
    with pytest.raises(UpstreamDecodeError, match=r"is no .* text"):
        Response(200, headers, b"\xff\xff.").text  # noqa: B018 - the property raises


def test_answer_that_is_no_error_raises_none():
    answer = Response(302, Headers(), b"abc")
    answer.raise_for_status()
    assert repr(answer) == "<Response [302] 3 bytes>"


def test_streamed_answer_gives_pieces_and_then_what_is_left():
    closed = []
    with StreamedResponse(200, Headers(), iter([b'{"a"', b":", b"1}"]), lambda: closed.append(1)) as answer:
        assert repr(answer) == "<Response [200] streamed>"
        assert next(iter(answer)) == b'{"a"'
        assert answer.content == b":1}"
        assert answer.content == b":1}"
    assert closed == [1]


def test_streamed_answer_can_be_read_as_json():
    assert StreamedResponse(200, Headers(), iter([b"[1", b"]"]), lambda: None).json() == [1]


@pytest.mark.parametrize("charset", ["punycode", "Punycode", "idna", "unicode_escape", "raw-unicode-escape"])
def test_codecs_that_are_no_charsets_are_not_the_upstreams_to_choose(charset):
    headers = Headers([("Content-Type", f"text/plain; charset={charset}")])
    with pytest.raises(UpstreamDecodeError, match="is no charset"):
        Response(200, headers, b"abc").text  # noqa: B018 - the property raises
