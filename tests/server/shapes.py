"""Requests in all the shapes that servers and proxies have come to disagree on, and what becomes of them.

Sources: RFC 9110 §5 and §10.1.1, RFC 9112 §2 to §7 and §11, and what gunicorn's own tests cover.
"""

HOST = b"Host: a\r\n"


def _get(*lines: bytes, target: bytes = b"/", version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def _post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def _chunked(body: bytes, *lines: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked", *lines, body=body)


#: name: (bytes, the bodies of the requests in them)
VALID = {
    "plain": (_get(b"Host: a"), [b""]),
    "no headers": (_get(version=b"HTTP/1.0"), [b""]),
    "no host": (_get(), [b""]),
    "empty value": (_get(b"Host: a", b"X-Empty:"), [b""]),
    "tabs around a value": (_get(b"Host: a", b"X:\t b c\t "), [b""]),
    "repeated header": (_get(b"Host: a", b"X: 1", b"X: 2"), [b""]),
    "latin-1 in a value": (_get(b"Host: a", b"X: \xe9\xff"), [b""]),
    "odd but legal header name": (_get(b"Host: a", b"!#$%&'*+-.^`|~0aZ: x"), [b""]),
    "no space after the colon": (_get(b"Host:a"), [b""]),
    "percent-encoded target": (_get(b"Host: a", target=b"/%C3%A9?q=%20#f"), [b""]),
    "double slash": (_get(b"Host: a", target=b"//evil/x"), [b""]),
    "many slashes and dots": (_get(b"Host: a", target=b"/a/../../b//c/."), [b""]),
    "absolute target": (_get(b"Host: a", target=b"http://b:81/x?y"), [b""]),
    "absolute target with IPv6": (_get(b"Host: a", target=b"http://[::1]:81/x"), [b""]),
    "query only": (_get(b"Host: a", target=b"/?"), [b""]),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [b""]),
    "authority": (b"CONNECT b:443 HTTP/1.1\r\n" + HOST + b"\r\n", [b""]),
    "one empty line before": (b"\r\n" + _get(b"Host: a"), [b""]),
    "an unknown method": (b"-_$ / HTTP/1.1\r\n" + HOST + b"\r\n", [b""]),
    "length 0": (_post(b"Content-Length: 0"), [b""]),
    "length": (_post(b"Content-Length: 5", body=b"hello"), [b"hello"]),
    "length with leading zeros": (_post(b"Content-Length: 0005", body=b"hello"), [b"hello"]),
    "a body for GET": (_get(b"Host: a", b"Content-Length: 3") + b"abc", [b"abc"]),
    "two in a row": (_post(b"Content-Length: 2", body=b"hi") + _get(b"Host: b"), [b"hi", b""]),
    "chunked": (_chunked(b"5\r\nhello\r\n0\r\n\r\n"), [b"hello"]),
    "chunked, several": (_chunked(b"1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n"), [b"a0123456789"]),
    "chunked, zeros before a size": (_chunked(b"00005\r\nhello\r\n000\r\n\r\n"), [b"hello"]),
    "chunked, upper case coding": (
        _post(b"Transfer-Encoding: Chunked", body=b"1\r\na\r\n0\r\n\r\n"),
        [b"a"],
    ),
    "chunked, extensions": (_chunked(b'5;a=b;c="d;\\"e"\r\nhello\r\n0;z\r\n\r\n'), [b"hello"]),
    "chunked, space before an extension": (_chunked(b"5 ; a = b\r\nhello\r\n0\r\n\r\n"), [b"hello"]),
    "chunked, trailers": (_chunked(b"5\r\nhello\r\n0\r\nVary: *\r\nX-Sum: 1\r\n\r\n"), [b"hello"]),
    "chunked, then another": (_chunked(b"1\r\na\r\n0\r\n\r\n") + _get(b"Host: b"), [b"a", b""]),
    "compressed and chunked": (
        _post(b"Transfer-Encoding: gzip, chunked", body=b"1\r\na\r\n0\r\n\r\n"),
        [b"a"],
    ),
    "identity and chunked": (
        _post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\n\r\n"),
        [b"a"],
    ),
    "expects 100-continue": (_post(b"Expect: 100-Continue", b"Content-Length: 2", body=b"hi"), [b"hi"]),
}

_LONG = b"x" * 8200

#: name: (bytes, the status)
INVALID = {
    "no version": (b"GET /\r\n" + HOST + b"\r\n", 400),
    "bad version": (_get(b"Host: a", version=b"HTTP/1"), 400),
    "version 2.0": (_get(b"Host: a", version=b"HTTP/2.0"), 400),
    "version 0.9": (_get(b"Host: a", version=b"HTTP/0.9"), 400),
    "version with more": (_get(b"Host: a", version=b"HTTP/1.10"), 400),
    "lower case http": (_get(b"Host: a", version=b"http/1.1"), 400),
    "lower case method": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "method of one letter": (b"G / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "method with a space": (b" GET / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "method with a parenthesis": (b"GET( / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "empty target": (_get(b"Host: a", target=b""), 400),
    "relative target": (_get(b"Host: a", target=b"x/y"), 400),
    "asterisk for GET": (_get(b"Host: a", target=b"*"), 400),
    "authority for GET": (_get(b"Host: a", target=b"b:80"), 400),
    "raw UTF-8 in the target": (_get(b"Host: a", target=b"/\xc3\xa9"), 400),
    "control character in the target": (_get(b"Host: a", target=b"/\x01"), 400),
    "space in the target": (_get(b"Host: a", target=b"/a b"), 400),
    "nothing but noise": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
    "header without a colon": (_get(b"Host a"), 400),
    "header without a name": (_get(b": a"), 400),
    "space in a header name": (_get(b"Ho st: a"), 400),
    "space before the colon": (_get(b"Host : a"), 400),
    "tab before the colon": (_get(b"Content-Length\t: 5"), 400),
    "slash in a header name": (_get(b"Ho/st: a"), 400),
    "latin-1 in a header name": (_get(b"H\xf6st: a"), 400),
    "NUL in a value": (_get(b"Host: a\x00b"), 400),
    "bell in a value": (_get(b"Host: a\x07b"), 400),
    "DEL in a value": (_get(b"Host: a\x7fb"), 400),
    "bare CR in a value": (_get(b"Host: a\rb"), 400),
    "bare LF between headers": (_get(b"Host: a\nX: 1"), 400),
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LFs throughout": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "folded header": (_get(b"Host: a", b"X: one", b" two"), 400),
    "folded first header": (_get(b" Host: a"), 400),
    "two spaces": (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two spaces before the version": (b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "tab in the request line": (b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "two hosts": (_get(b"Host: a", b"Host: b"), 400),
    "two content types": (_post(b"Content-Type: a/b", b"Content-Type: c/d"), 400),
    "unknown expectation": (_post(b"Expect: tea", b"Content-Length: 2", body=b"hi"), 417),
    "long request line": (_get(b"Host: a", target=b"/" + _LONG), 414),
    "long request line after an empty one": (b"\r\n" + _get(b"Host: a", target=b"/" + _LONG), 414),
    "too many headers": (_get(*[b"X: 1"] * 101), 431),
    "long header": (_get(b"X: " + _LONG), 431),
    "length not a number": (_post(b"Content-Length: five", body=b"hello"), 400),
    "negative length": (_post(b"Content-Length: -1"), 400),
    "length with a sign": (_post(b"Content-Length: +5", body=b"hello"), 400),
    "length in hex": (_post(b"Content-Length: 0x5", body=b"hello"), 400),
    "length with an underscore": (_post(b"Content-Length: 1_0", body=b"0123456789"), 400),
    "length in other digits": (_post(b"Content-Length: \xb2", body=b"hi"), 400),
    "empty length": (_post(b"Content-Length:"), 400),
    "list of lengths": (_post(b"Content-Length: 5, 5", body=b"hello"), 400),
    "two lengths": (_post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"), 400),
    "two equal lengths": (_post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    "huge length": (_post(b"Content-Length: 99999999999999999999999"), 413),
    "length and chunked": (_chunked(b"0\r\n\r\n", b"Content-Length: 5"), 400),
    "chunked and length 0": (_chunked(b"0\r\n\r\n", b"Content-Length: 0"), 400),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (_post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), 400),
    "chunked in two headers": (_chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked"), 400),
    "chunked, then gzip": (_post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"), 400),
    "identity alone": (_post(b"Transfer-Encoding: identity", b"Content-Length: 2", body=b"hi"), 400),
    "gzip alone": (_post(b"Transfer-Encoding: gzip", body=b""), 400),
    "unknown coding": (_post(b"Transfer-Encoding: cow, chunked", body=b"0\r\n\r\n"), 400),
    "nearly chunked": (_post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    "coding with a control character": (_post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    "empty member of a list of codings": (_post(b"Transfer-Encoding: , chunked", body=b"0\r\n\r\n"), 501),
    "empty coding": (_post(b"Transfer-Encoding:", body=b"0\r\n\r\n"), 400),
    "chunk size with a sign": (_chunked(b"+5\r\nhello\r\n0\r\n\r\n"), 400),
    "negative chunk size": (_chunked(b"-5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size in 0x": (_chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size with an underscore": (_chunked(b"1_0\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size of nothing": (_chunked(b"\r\nhello\r\n0\r\n\r\n"), 400),
    "only an extension": (_chunked(b";a\r\nhello\r\n0\r\n\r\n"), 400),
    "space before a chunk size": (_chunked(b" 5\r\nhello\r\n0\r\n\r\n"), 400),
    "space after a chunk size": (_chunked(b"5 \r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size beyond 64 bits": (_chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size line with a bare LF": (_chunked(b"5\nhello\r\n0\r\n\r\n"), 400),
    "bare LF in an extension": (_chunked(b"5;\nxx\r\nhello\r\n0\r\n\r\n"), 400),
    "bare CR in an extension": (_chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), 400),
    "extension with a control character": (_chunked(b"5;a=\x00\r\nhello\r\n0\r\n\r\n"), 400),
    "long chunk size line": (_chunked(b"5;" + b"x" * 9000 + b"\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk longer than its size": (_chunked(b"4\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk without its end": (_chunked(b"5\r\nhello0\r\n\r\n"), 400),
    "chunk that ends with a bare LF": (_chunked(b"5\r\nhello\n0\r\n\r\n"), 400),
    "trailer that frames": (_chunked(b"0\r\nContent-Length: 5\r\n\r\n"), 400),
    "trailer that routes": (_chunked(b"0\r\nHost: b\r\n\r\n"), 400),
    "trailer without a colon": (_chunked(b"0\r\nnonsense\r\n\r\n"), 400),
    "trailer with a bare LF": (_chunked(b"0\r\nX: 1\nY: 2\r\n\r\n"), 400),
    "no end of trailers in sight": (_chunked(b"0\r\n" + b"X: " + b"x" * 20_000), 431),
}
