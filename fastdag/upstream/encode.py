"""What goes upstream, as text and bytes: path segments, parameters, headers, bodies.

A value may come from a stranger. Encoded here it stays what it was meant to be: no value adds a segment, a query, a
parameter, a header or a host. What cannot be sent unchanged is refused with `InvalidValue`, never repaired.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

import msgspec

from fastdag.errors import InvalidValue

__all__ = [
    "IN_PATH",
    "TRANSPORTS_OWN",
    "Body",
    "encode_body",
    "encode_data",
    "encode_header",
    "encode_headers",
    "encode_json",
    "encode_params",
    "encode_path",
    "encode_segment",
    "encode_target",
    "header_names",
    "percent_encode",
    "sendable",
    "text_of",
    "token",
]

Body = bytes | Iterable[bytes] | None

# Hop-by-hop (RFC 9110 §7.6.1, RFC 2616 §13.5.1) and framing: they belong to one connection, so to the transport.
TRANSPORTS_OWN = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

FORM = "application/x-www-form-urlencoded"

# What a path may hold besides letters and digits (RFC 3986 §3.3), "?" for a query, "%" for what is encoded.
IN_PATH = "/?%:@!$&'()*+,;=~"
_plain_path = re.compile(r"/[A-Za-z0-9_~/-]*").fullmatch
_plain_text = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*").fullmatch
_control = re.compile(r"[\x00-\x1f\x7f]").search
_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_unsendable = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search  # RFC 9110 §5.5: field-vchar, obs-text, SP, HTAB


def text_of(value: Any) -> str:
    """A single value as text, written as JSON writes it: `true`, `1.5`, `2026-01-31`, without quotes."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InvalidValue(f"bytes that are no UTF-8 cannot be sent as text: {error}") from error
    try:
        plain = msgspec.to_builtins(value)
    except TypeError:
        plain = None
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (str, int)) or (isinstance(plain, float) and math.isfinite(plain)):
        return str(plain)
    raise InvalidValue(f"{value!r:.80} cannot be sent as text; a string, number, bool, date, UUID or enum can")


def percent_encode(text: str, safe: str = "") -> str:
    """Text in UTF-8, percent-encoded but for RFC 3986's unreserved characters and those in `safe`."""
    if _control(text):
        raise InvalidValue(f"{text!r:.80} holds a control character")
    try:
        return quote(text, safe)
    except UnicodeEncodeError as error:
        raise InvalidValue(f"{text!r:.80} is no Unicode text") from error


def encode_segment(value: Any) -> str:
    """One segment of a path. A dot segment or an empty one would ask for another resource (RFC 3986 §5.2.4)."""
    text = text_of(value)
    if _plain_text(text):
        return text
    if text in ("", ".", ".."):
        raise InvalidValue(f"{text!r} cannot be a segment of a path")
    return percent_encode(text)


def encode_path(path: str) -> str:
    """A path that somebody put together by hand; it may end in a query, and what is encoded stays as it is."""
    if not isinstance(path, str):
        raise TypeError(f"a path is a string like '/products/42', not {path!r}")
    if _plain_path(path):
        return path
    if not path.startswith("/"):
        raise InvalidValue(f"a path starts with '/' and is found below the base URL; {path!r:.80} does not")
    if "#" in path:
        raise InvalidValue(f"a path holds no fragment; write the '#' in {path!r:.80} as '%23'")
    for segment in path.partition("?")[0].split("/"):
        # Some servers drop ";..." before they look for dots.
        if unquote(segment).partition(";")[0] in (".", ".."):
            raise InvalidValue(f"{path!r:.80} holds a dot segment")
    return percent_encode(path, IN_PATH)


def _pairs(params: Any) -> Iterator[tuple[str, str]]:
    if isinstance(params, Mapping):
        params = params.items()
    elif isinstance(params, (str, bytes)) or not isinstance(params, Iterable):
        raise TypeError(f"params and forms are a mapping or a list of pairs, not {params!r:.80}")
    for pair in params:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 2):  # b"ab" would go as 97=98
            raise TypeError(f"params and forms are a mapping or a list of pairs; {pair!r:.80} is no pair")
        name, value = pair
        if isinstance(value, (list, tuple)):
            for item in value:
                if item is not None:
                    yield name, text_of(item)
        elif value is not None:
            yield name, text_of(value)


def encode_params(params: Any) -> str:
    """Parameters as a query, in their order: a list repeats its name, `None` is left out."""
    parts = []
    for name, text in _pairs(params):
        name = name if _plain_text(name) else percent_encode(text_of(name))
        parts.append(f"{name}={text if _plain_text(text) else percent_encode(text)}")
    return "&".join(parts)


def encode_target(path: str, params: Any = None) -> str:
    """Path and query, as they stand in the request line."""
    target = encode_path(path)
    if params:
        query = encode_params(params)
        if query:
            return f"{target}{'&' if '?' in target else '?'}{query}"
    return target


def token(what: str, text: str) -> str:
    """A method or the name of a header, as it is (RFC 9110 §5.6.2)."""
    if not isinstance(text, str) or not _token(text):
        raise InvalidValue(f"{what} consists of letters, digits and hyphens; {text!r:.80} does not")
    return text


def encode_header(name: str, value: Any) -> tuple[str, str]:
    """One header, as it is sent."""
    if token("a header's name", name).lower() in TRANSPORTS_OWN:
        raise InvalidValue(f"{name} belongs to the connection and is the transport's to set")
    text = text_of(value).strip(" \t")
    if not sendable(text):
        raise InvalidValue(f"the value for {name} holds a character that no header can carry")
    return name, text


def sendable(value: str) -> bool:
    """Whether a header can carry a value, in either direction."""
    return _unsendable(value) is None


def encode_headers(headers: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Headers, as they are sent; `None` for a value leaves the header out."""
    if not headers:
        return []
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers are a mapping of names to values, not {headers!r:.80}")
    return [encode_header(name, value) for name, value in headers.items() if value is not None]


def header_names(option: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names of headers that are let through, as an option lists them; in lower case."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"{option} is a collection of names of headers, like ({names!r},)")
    found = []
    for name in names:
        if token(f"{option}: a header's name", name).lower() in TRANSPORTS_OWN:
            raise ValueError(f"{option}: {name} belongs to one connection and is never passed on")
        found.append(name.lower())
    return tuple(dict.fromkeys(found))


def encode_json(value: Any) -> bytes:
    """A value as JSON; NaN and infinities, which JSON does not have (RFC 8259 §6), are refused."""
    try:
        body = msgspec.json.encode(value)
    except UnicodeEncodeError as error:
        raise InvalidValue(f"a string is no Unicode text: {error}") from error
    # msgspec writes NaN as null, so without a null there is nothing to look for.
    if b"null" in body and _has_nonfinite(msgspec.to_builtins(value)):
        raise InvalidValue("NaN and infinities have no place in JSON")
    return body


def _has_nonfinite(plain: Any) -> bool:
    if isinstance(plain, float):
        return not math.isfinite(plain)
    if isinstance(plain, dict):
        return any(map(_has_nonfinite, plain.values()))
    return isinstance(plain, (list, tuple)) and any(map(_has_nonfinite, plain))


def encode_data(data: Any) -> tuple[Body, str | None]:
    """A body and its content type: bytes, text, a form (a mapping or a list of pairs), or an iterable of bytes."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), None
    if isinstance(data, str):
        return data.encode(), None
    if isinstance(data, (Mapping, list, tuple)):
        form = "&".join(f"{quote_plus(text_of(name))}={quote_plus(text)}" for name, text in _pairs(data))
        return form.encode(), FORM
    if isinstance(data, Iterable):
        return data, None
    raise TypeError(f"data is bytes, a string, a form or an iterable of bytes, not {data!r:.80}")


def encode_body(json: Any = None, data: Any = None) -> tuple[Body, str | None]:
    """A body and its content type, from whichever of the two is given."""
    if json is None:
        return (None, None) if data is None else encode_data(data)
    if data is not None:
        raise TypeError("a call has one body: give json= or data=, not both")
    return encode_json(json), "application/json"
