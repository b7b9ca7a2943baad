"""What upstreams do wrong, as data: what is sent for an answer, and what has to become of it.

Ids that begin with U are those of the project's catalogue of faults; the rest follow the same rules.
"""

import gzip
import zlib
from dataclasses import dataclass

OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BARE = "HTTP/1.1 200 OK\r\n\r\n"
CLOSE = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
FIN, RST, STALL = ("fin",), ("rst",), ("stall",)
SHORT = 0.2


@dataclass(frozen=True)
class Row:
    """One fault. `becomes` is the content of the answer, or the reason of the error; `kept` says that the connection
    may be used again; `wrong` says what `requests` does instead, where it does."""

    id: str
    steps: tuple
    becomes: bytes | str
    kept: bool = False
    method: str = "GET"
    seconds: float = 2.0
    calls: int = 1
    wrong: str = ""

    @property
    def splits(self):
        """Whole, byte by byte, and at random; once where only time passes."""
        return (0, 1, 7) if any(step[0] == "send" for step in self.steps) else (0,)


def says(text, *then):
    return (("send", text), *then)


def packed(coding, data, *, head=""):
    return f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}\r\n{head}\r\n" + data.decode(
        "latin-1"
    )


def bare_deflate(data):
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def headers(*lines, body="ok"):
    return "HTTP/1.1 200 OK\r\n" + "".join(f"{line}\r\n" for line in lines) + f"\r\n{body}"


TEXT = b"some text, " * 50
SILENT = "it waits for more"
EXTRA = "it drops the rest unseen and keeps the connection"
LENIENT = "it is lenient"

ROWS = [
    # Nothing, or not all of it.
    Row("U03 reads and is silent", (STALL,), "timeout", seconds=SHORT),
    Row("U04 closes without a byte", (FIN,), "connect"),
    Row("reset without a byte", (RST,), "connect"),
    Row("U06 reset in the body", says(LONG + "x" * 500, ("sleep", 0.02), RST), "protocol"),
    Row("U07 body drips", (("send", LONG), ("drip", "x" * 20, 0.1)), "timeout", seconds=SHORT),
    Row("U08 headers drip", (("drip", OK, 0.1),), "timeout", seconds=SHORT),
    Row("U16 body is cut", says(LONG + "x" * 10, FIN), "protocol"),
    Row("U17 last chunk is missing", says(CHUNKED + "2\r\nok\r\n", FIN), "protocol"),
    Row("U17 chunk is cut", says(CHUNKED + "5\r\nok", FIN), "protocol"),
    Row("chunk size is cut", says(CHUNKED + "5", FIN), "protocol"),
    Row("trailers are cut", says(CHUNKED + "2\r\nok\r\n0\r\nA: b\r\n", FIN), "protocol", wrong=LENIENT),
    Row("headers are cut", says("HTTP/1.1 200 OK\r\nContent-Le", FIN), "protocol", wrong=LENIENT),
    Row("status line is cut", says("HTTP/1.1 20", FIN), "protocol"),
    Row("U20 body until close", says(BARE + "ok", FIN), b"ok"),
    Row("empty body until close", says(BARE, FIN), b""),
    Row("body until reset", says(BARE + "ok", ("sleep", 0.02), RST), "protocol"),
    Row("U25 body without end", says(BARE, STALL), "timeout", seconds=SHORT),
    Row("U25 body without end, some of it", says(BARE + "ok", STALL), "timeout", seconds=SHORT),
    # Interim answers.
    Row(
        "U09 100 for ever",
        (("again", "HTTP/1.1 100 Continue\r\n\r\n", 0.01),),
        "protocol",
        wrong="it takes them until the time is up",
    ),
    Row("U09 102 for ever", (("again", "HTTP/1.1 102 Processing\r\n\r\n", 0.01),), "protocol"),
    Row(
        "U10 early hints",
        says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", ("sleep", 0.05), ("send", OK)),
        b"ok",
        kept=True,
        wrong="an interim answer is an error",
    ),
    Row("100 before the answer", says("HTTP/1.1 100 Continue\r\n\r\n" + OK), b"ok", kept=True),
    Row(
        "ten interim answers",
        says("HTTP/1.1 102 Wait\r\n\r\n" * 10 + OK),
        b"ok",
        kept=True,
        wrong="an interim answer is an error",
    ),
    Row("eleven interim answers", says("HTTP/1.1 102 Wait\r\n\r\n" * 11 + OK), "protocol"),
    Row(
        "interim with a length",
        says("HTTP/1.1 103 Hints\r\nContent-Length: 5\r\n\r\n" + OK),
        b"ok",
        kept=True,
        wrong="an interim answer is an error",
    ),
    Row("only an interim answer", says("HTTP/1.1 103 Hints\r\n\r\n", FIN), "protocol"),
    Row("101 unasked", says("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "protocol"),
    Row("status 099", says("HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok"), "protocol"),
    # More than was asked for. What the next call sees is checked after every row.
    Row("U13 two answers at once", says(OK + OK.replace("ok", "no")), b"ok", wrong=EXTRA),
    Row("a second answer begins", says(OK + "H"), b"ok", wrong=EXTRA),
    Row("garbage behind the answer", says(OK + "garbage"), b"ok", wrong=EXTRA),
    Row("a line break behind the answer", says(OK + "\r\n"), b"ok", wrong=EXTRA),
    Row("a line break behind the last chunk", says(CHUNKED + "2\r\nok\r\n0\r\n\r\n\r\n"), b"ok", wrong=EXTRA),
    Row("a line break behind 204", says("HTTP/1.1 204 No\r\n\r\n\r\n"), b"", wrong=EXTRA),
    Row("a body of line breaks", says(CHUNKED + "2\r\n\r\n\r\n0\r\n\r\n"), b"\r\n", kept=True),
    Row("body longer than its length", says(headers("Content-Length: 1")), b"o", wrong=EXTRA),
    Row("bytes behind the last chunk", says(CHUNKED + "2\r\nok\r\n0\r\n\r\nx"), b"ok", wrong=EXTRA),
    Row("204 with a body", says("HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok"), b"", wrong=EXTRA),
    Row("304 with a body", says("HTTP/1.1 304 No\r\n\r\nok"), b"", wrong=EXTRA),
    Row("HEAD with a body", says(OK), b"", method="HEAD", wrong=EXTRA),
    Row(
        "HEAD with a second answer", says(headers("Content-Length: 9", body="") + OK), b"", method="HEAD", wrong=EXTRA
    ),
    Row("HEAD", says(headers("Content-Length: 9", body="")), b"", method="HEAD", kept=True),
    Row("HEAD, chunked", says(headers("Transfer-Encoding: chunked", body="")), b"", method="HEAD", kept=True),
    Row("HEAD, empty", says(headers("Content-Length: 0", body="")), b"", method="HEAD", kept=True),
    Row("204", says("HTTP/1.1 204 No Content\r\n\r\n"), b"", kept=True),
    Row("304 with a length", says("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), b"", kept=True),
    # No HTTP, or bad framing.
    Row("another protocol", says("SSH-2.0-OpenSSH_9.6\r\n", STALL), "protocol", wrong=SILENT),
    Row("HTTP/2", says(OK.replace("HTTP/1.1", "HTTP/2.0")), "protocol", wrong=LENIENT),
    Row("HTTP/0.9", says("<html>old</html>", FIN), "protocol"),
    Row("a line before the answer", says("\r\n" + OK), "protocol"),
    Row("two lengths", says(headers("Content-Length: 2", "Content-Length: 2")), "protocol", wrong=LENIENT),
    Row("two different lengths", says(headers("Content-Length: 2", "Content-Length: 3")), "protocol", wrong=LENIENT),
    Row("negative length", says(headers("Content-Length: -1")), "protocol", wrong=LENIENT),
    Row("signed length", says(headers("Content-Length: +2")), "protocol", wrong=LENIENT),
    Row("list of lengths", says(headers("Content-Length: 2, 2")), "protocol", wrong=LENIENT),
    Row("empty length", says(headers("Content-Length: ")), "protocol", wrong=LENIENT),
    Row("length beyond 64 bits", says(headers(f"Content-Length: {1 << 70}")), "protocol", wrong=LENIENT),
    Row(
        "length and chunks",
        says(headers("Content-Length: 2", "Transfer-Encoding: chunked", body="2\r\nok\r\n0\r\n\r\n")),
        "protocol",
        wrong=LENIENT,
    ),
    Row("unknown transfer coding", says(headers("Transfer-Encoding: gzip, chunked")), "protocol", wrong=LENIENT),
    Row("chunked is not last", says(headers("Transfer-Encoding: chunked, x"), FIN), "protocol", wrong=LENIENT),
    Row(
        "two transfer codings",
        says(headers("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), FIN),
        "protocol",
        wrong=LENIENT,
    ),
    Row("chunk size is no number", says(CHUNKED + "zz\r\nok\r\n0\r\n\r\n"), "protocol"),
    Row("chunk size overflows", says(CHUNKED + "f" * 17 + "\r\nok"), "protocol", wrong=LENIENT),
    Row("chunk is longer than its size", says(CHUNKED + "1\r\nok\r\n0\r\n\r\n"), "protocol", wrong=LENIENT),
    Row("lines end without CR", says(OK.replace("\r\n", "\n")), "protocol", wrong=LENIENT),
    Row("space before a colon", says(headers("Content-Length : 2")), "protocol", wrong=LENIENT),
    Row("folded header", says(headers("X-A: b", " c", "Content-Length: 2")), "protocol", wrong=LENIENT),
    Row("header without a colon", says(headers("nonsense", "Content-Length: 2")), "protocol", wrong=LENIENT),
    Row("M04 NUL in a header", says(headers("X-A: b\0c", "Content-Length: 2")), "protocol", wrong=LENIENT),
    Row("M04 CR in a header", says(headers("X-A: b\rc", "Content-Length: 2")), "protocol", wrong=LENIENT),
    Row("status of four digits", says(OK.replace("200", "2000")), "protocol"),
    # Sizes.
    Row(
        "101 headers",
        says(headers(*[f"X-{n}: 1" for n in range(100)], "Content-Length: 2")),
        "too_large",
        wrong="it has no such limit",
    ),
    Row(
        "100 headers",
        says(headers(*[f"X-{n}: 1" for n in range(99)], "Content-Length: 2")),
        b"ok",
        kept=True,
        wrong="it allows one less",
    ),
    Row("endless header", says("HTTP/1.1 200 OK\r\nX: ", ("endless", "x" * 4096)), "too_large", wrong="protocol"),
    Row("endless headers", says("HTTP/1.1 200 OK\r\n", ("endless", "X: y\r\n" * 999)), "too_large", wrong="protocol"),
    Row(
        "length over the limit",
        says(headers(f"Content-Length: {(2 << 20) + 1}", body=""), STALL),
        "too_large",
        seconds=1.0,
        wrong=SILENT,
    ),
    Row("U52 endless chunks", says(CHUNKED, ("endless", "10000\r\n" + "x" * 65536 + "\r\n")), "too_large"),
    Row("endless body until close", says(BARE, ("endless", "x" * 65536)), "too_large"),
    Row("endless chunk extension", says(CHUNKED + "1;", ("endless", "x" * 65536)), "too_large", wrong="protocol"),
    Row(
        "endless trailers",
        says(CHUNKED + "2\r\nok\r\n0\r\n", ("endless", "X: y\r\n" * 9999)),
        "too_large",
        wrong="it has no such limit",
    ),
    # Content codings.
    Row("gzip", says(packed("gzip", gzip.compress(TEXT))), TEXT, kept=True),
    Row("gzip in two members", says(packed("gzip", gzip.compress(TEXT) * 2)), TEXT * 2, kept=True),
    Row("x-gzip", says(packed("x-gzip", gzip.compress(TEXT))), TEXT, kept=True),
    Row("deflate", says(packed("deflate", zlib.compress(TEXT))), TEXT, kept=True),
    Row("deflate, bare", says(packed("deflate", bare_deflate(TEXT))), TEXT, kept=True),
    Row("identity", says(packed("identity", b"ok")), b"ok", kept=True),
    Row("gzip of gzip", says(packed("gzip, gzip", gzip.compress(gzip.compress(TEXT)))), TEXT, kept=True),
    Row("gzip is cut", says(packed("gzip", gzip.compress(TEXT)[:-9])), "decode", kept=True, wrong=LENIENT),
    Row("gzip is none", says(packed("gzip", b"ok")), "decode", kept=True),
    Row("gzip with a bad checksum", says(packed("gzip", gzip.compress(TEXT)[:-8] + b"12345678")), "decode", kept=True),
    Row("coding nobody knows", says(packed("rot13", b"ok")), "decode", kept=True, wrong="it hands out the raw body"),
    Row("three codings", says(packed("gzip, gzip, gzip", b"ok")), "decode", kept=True, wrong=LENIENT),
    Row("gzip without a body", says(packed("gzip", b"")), b"", kept=True),
    Row(
        "HEAD of gzip",
        says(headers("Content-Encoding: gzip", "Content-Length: 99", body="")),
        b"",
        method="HEAD",
        kept=True,
    ),
    Row("U50 gzip bomb", says(packed("gzip", gzip.compress(bytes(64 << 20)))), "too_large", kept=True),
    Row("U50 deflate bomb", says(packed("deflate", zlib.compress(bytes(64 << 20)))), "too_large", kept=True),
    Row(
        "bomb in a bomb",
        says(packed("gzip, gzip", gzip.compress(gzip.compress(bytes(64 << 20))))),
        "too_large",
        kept=True,
    ),
    # Whether the connection may be used again.
    Row("plain answer", says(OK), b"ok", kept=True),
    Row("chunks", says(CHUNKED + "1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n"), b"ok", kept=True),
    Row("chunks with trailers", says(CHUNKED + "2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n"), b"ok", kept=True),
    Row(
        "trailer about framing", says(CHUNKED + "2\r\nok\r\n0\r\nContent-Length: 9\r\n\r\n"), "protocol", wrong=LENIENT
    ),
    Row("U43 Connection: close", says(CLOSE, ("sleep", 1)), b"ok"),
    Row("U43 Connection: x, Close", says(CLOSE.replace("close", "x, Close"), ("sleep", 1)), b"ok", wrong=LENIENT),
    Row("HTTP/1.0", says(OK.replace("1.1", "1.0"), ("sleep", 1)), b"ok"),
    Row(
        "HTTP/1.0 that keeps alive",
        says(OK.replace("1.1", "1.0").replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n")),
        b"ok",
        kept=True,
    ),
    Row(
        "Keep-Alive: timeout=0",
        says(headers("Keep-Alive: timeout=0", "Content-Length: 2"), ("sleep", 1)),
        b"ok",
        wrong=LENIENT,
    ),
    Row("h2c is offered", says(headers("Connection: upgrade", "Upgrade: h2c", "Content-Length: 2")), b"ok", kept=True),
    Row("answers and closes", says(OK, FIN), b"ok"),
    Row("answers and resets", says(OK, ("sleep", 0.02), RST), b"ok"),
    Row("status without a reason", says("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"), b"ok", kept=True),
    Row("U55 empty answer", says(headers("Content-Length: 0", body="")), b"", kept=True),
]
