"""The head of a request: parsed by gunicorn's C parser, judged by gunicorn's own rules.

`Head` is a `gunicorn.http.message.Request`, so that hooks and loggers find what they know, but it is filled here.
The rules for header names are gunicorn's method `_apply_header_policy`; it is asked about the few names it has
rules for, which a table keeps, by the raw bytes a client sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    ObsoleteFolding,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import MAX_REQUEST_LINE, HeaderPolicy, Request
from gunicorn.util import split_request_uri
from gunicorn_h1c import H1CProtocol, ParseError
from gunicorn_h1c import LimitRequestHeaders as TooManyHeaders
from gunicorn_h1c import LimitRequestLine as LongLine
from gunicorn_h1c._protocol import ParseError as ProtocolError

__all__ = ["BAD_REQUESTS", "Head", "Limits", "Names", "Peer", "status_of"]

#: What parsing raises when the client is to blame: gunicorn_h1c's two kinds, and gunicorn's.
BAD_REQUESTS = (ParseError, ProtocolError, ParseException)

_STATUS = (
    ((LongLine, LimitRequestLine), 414),
    ((TooManyHeaders, LimitRequestHeaders), 431),
    (ExpectationFailed, 417),
    (UnsupportedTransferCoding, 501),
)


def status_of(error: Exception) -> int:
    """The status that tells a client what was wrong with its request."""
    return next((status for kinds, status in _STATUS if isinstance(error, kinds)), 400)


class Limits:
    """gunicorn's limits as its own parser reads them, and what a whole head may come to."""

    __slots__ = ("casefold", "field_size", "fields", "head", "line", "parser")

    def __init__(self, cfg: Any) -> None:
        line = cfg.limit_request_line
        # As in gunicorn: 0 stands for no limit, which for a C parser is a large one.
        self.line = (1 << 20) if line == 0 else min(line, MAX_REQUEST_LINE) if line > 0 else MAX_REQUEST_LINE
        self.fields = cfg.limit_request_fields or 256
        self.field_size = cfg.limit_request_field_size if cfg.limit_request_field_size > 0 else 8190
        self.casefold = cfg.casefold_http_method
        self.head = self.line + self.fields * (self.field_size + 2) + 4
        self.parser = {
            "limit_request_line": self.line,
            "limit_request_fields": self.fields,
            "limit_request_field_size": self.field_size,
            "permit_unconventional_http_method": cfg.permit_unconventional_http_method,
            "permit_unconventional_http_version": cfg.permit_unconventional_http_version,
            "limit_remaining": 0,
        }

    def new_parser(self) -> H1CProtocol:
        """A parser for heads: bodies are framed in `body.py`, so every message is complete with its head."""
        return H1CProtocol(on_headers_complete=_no_body, **self.parser)


def _no_body() -> bool:
    return True


class Names:
    """Header names by their raw bytes: the upper-case name, the key in the environ, and whether rules apply to it.

    Clients send the same few names again and again, so a look-up replaces decoding, folding and checking. The table
    stops growing at a size that no honest set of clients reaches.
    """

    __slots__ = ("_ruled", "_table")

    LIMIT = 2048

    def __init__(self, cfg: Any) -> None:
        self._table: dict[bytes, tuple[str, str, bool]] = {}
        # gunicorn's rule for repeated Host and Content-Type is kept by the parser itself.
        self._ruled = {"EXPECT", "TRANSFER-ENCODING", *cfg.secure_scheme_headers}

    def look_up(self, raw: bytes) -> tuple[str, str, bool]:
        found = self._table.get(raw)
        if found is None:
            if not raw:
                # The parser hands on a folded line as a field without a name (RFC 9112 §5.2).
                raise ObsoleteFolding("a field that goes on in the next line")
            name = raw.decode("latin-1").upper()
            key = name.replace("-", "_")
            if name not in ("CONTENT-TYPE", "CONTENT-LENGTH"):
                key = "HTTP_" + key
            found = (name, key, "_" in name or name in self._ruled)
            if len(self._table) < self.LIMIT and len(raw) < 64:
                self._table[raw] = found
        return found


class Peer:
    """Who is at the other end of a connection, and which headers gunicorn's settings let it set."""

    __slots__ = ("address", "forwarder_headers", "scheme_headers")

    def __init__(self, cfg: Any, address: Any) -> None:
        self.address = address
        policy = HeaderPolicy()
        policy.cfg, policy.peer_addr = cfg, address
        self.scheme_headers, self.forwarder_headers = policy._peer_trusted_for_forwarded()


def _check_lines(raw: bytes, start: bytes, fields: int) -> None:
    """The parser takes several spaces for one, and in some places a bare LF for CRLF (RFC 9112 §2.2, §3)."""
    blank = raw.startswith(b"\r\n")
    if not raw.startswith(start, 2 if blank else 0):
        raise InvalidRequestLine(raw[: len(start)].decode("latin-1"))
    if raw.count(b"\r\n") != fields + 2 + blank:
        raise InvalidHeader("bare LF as line terminator")


class Head(Request):  # type: ignore[misc]
    """One request, as gunicorn's hooks, loggers and rules want to see it; `variables` are its headers as CGI has them.

    Made from a parser that has just completed a head, and that head's bytes. What is wrong with it is raised, as one
    of `BAD_REQUESTS`.
    """

    # Class attributes of what gunicorn's own constructor would set and this worker never changes.
    trailers: Any = ()
    proxy_protocol_info = None
    must_close = False
    body: Any = None
    unreader = None

    def __init__(
        self, parser: Any, raw: bytes, cfg: Any, limits: Limits, names: Names, peer: Peer, number: int
    ) -> None:
        self.cfg = cfg
        self.peer = peer
        self.peer_addr = self.remote_addr = peer.address
        self.req_number = number
        self.limit_request_fields = limits.fields
        self.limit_request_field_size = limits.field_size
        self.scheme = "http"
        self.method = parser.method.decode("latin-1")
        self.version = parser.http_version
        self.length = parser.content_length or 0
        self.chunked = parser.is_chunked
        self.keep_alive = parser.should_keep_alive
        if limits.casefold:
            self.method = self.method.upper()
        self._target(parser.path.decode("latin-1"), limits.line)
        fields = parser.headers
        _check_lines(raw, b"%b %b HTTP/1." % (parser.method, parser.path), len(fields))
        self.variables = self._headers(fields, names)

    def _target(self, uri: str, limit: int) -> None:
        self.uri = uri
        # The parser does not measure a request line that comes after an empty one.
        if len(self.method) + len(uri) + len("  HTTP/1.1") > limit:
            raise LimitRequestLine(len(uri), limit)
        # RFC 9112 §3.2: printable ASCII only. The parser has refused spaces already.
        if not (uri.isascii() and uri.isprintable() and uri):
            raise InvalidRequestLine(uri)
        if uri[0] == "/" and uri[1:2] != "/" and "#" not in uri:
            # Nearly every target; what urlsplit does with it is this.
            self.path, _, self.query = uri.partition("?")
            self.fragment = ""
            return
        try:
            parts = split_request_uri(uri)
        except ValueError as error:
            raise InvalidRequestLine(uri) from error
        self.path, self.query, self.fragment = parts.path or "", parts.query or "", parts.fragment or ""

    def _headers(self, raw: Iterable[tuple[bytes, bytes]], names: Names) -> dict[str, str]:
        headers: list[tuple[str, str]] = []
        self.headers = headers
        variables: dict[str, str] = {}
        rules: tuple[Any, ...] | None = None
        for raw_name, raw_value in raw:
            name, key, ruled = names.look_up(raw_name)
            value = raw_value.decode("latin-1")
            if ruled:
                rules = rules or ([False], set(), self.peer.scheme_headers, self.peer.forwarder_headers)
                if self._apply_header_policy(name, value, *rules) is None:
                    continue
                if name == "TRANSFER-ENCODING":
                    self._transfer_coding(value)
            headers.append((name, value))
            # RFC 9110 §5.3: a field that repeats is a list.
            variables[key] = f"{variables[key]},{value}" if key in variables else value
        return variables

    def _transfer_coding(self, value: str) -> None:
        # The parser has refused chunked in the midst of other codings, beside a Content-Length and in HTTP/1.0;
        # without any, nobody can tell where the body ends. One compressed as well is the last request, as in gunicorn.
        if not self.chunked:
            raise InvalidHeader("TRANSFER-ENCODING", req=self)
        for coding in value.split(","):
            coding = coding.strip(" \t").lower()
            if coding in ("compress", "deflate", "gzip"):
                self.keep_alive = False
            elif coding not in ("chunked", "identity"):
                raise UnsupportedTransferCoding(value)

    def should_close(self) -> bool:
        # RFC 9931 §8: what follows a CONNECT is tunnel data, never a request.
        return self.must_close or not self.keep_alive or self.method == "CONNECT"

    @property
    def expects_continue(self) -> bool:
        return bool(self._expected_100_continue)
