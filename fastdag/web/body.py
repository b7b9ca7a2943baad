"""Reading what the client sends, before any upstream is asked: bounded, whole, and strict JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import falcon
import msgspec

from fastdag.web.problem import Problem

__all__ = ["decode_json", "is_json", "read_body"]

_MAX_DEPTH = 200

# Python refuses to read numbers of more than some thousand digits.
_MAX_DIGITS = 18

# Methods whose requests have a body only if they say so; for the rest the server may know better (HTTP/2).
_BODILESS = ("GET", "HEAD", "DELETE")


def read_body(req: falcon.Request, limit: int) -> bytes:
    """The whole body, or a problem: 413 for more than `limit` bytes, 400 for one that is cut short."""
    env = req.env
    announced = env.get("CONTENT_LENGTH")
    if announced:
        # RFC 9112 §6.3: digits, nothing else; int() would take "+5" and "1_0".
        if not (announced.isascii() and announced.isdigit()):
            raise Problem(400, detail="Content-Length is not a number.")
        length = int(announced[-_MAX_DIGITS:]) if len(announced.lstrip("0")) <= _MAX_DIGITS else limit + 1
    elif "HTTP_TRANSFER_ENCODING" in env or (env.get("wsgi.input_terminated") and req.method not in _BODILESS):
        length = None
    else:
        return b""
    if length is not None and length > limit:
        raise _too_large(limit)
    try:
        body = _read(env["wsgi.input"], limit + 1 if length is None else length)
    except TimeoutError as error:
        raise Problem(408, detail="The body did not arrive in time.") from error
    except Exception as error:  # the server's own errors, about bytes that the client sent
        raise Problem(400, detail="The body could not be read.") from error
    if len(body) > limit:
        raise _too_large(limit)
    if length is not None and len(body) < length:
        raise Problem(400, detail="The body ended before its Content-Length.")
    return body


def _read(stream: Any, size: int) -> bytes:
    chunks = []
    while size > 0:
        chunk = stream.read(size)
        if not chunk:
            break
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> Problem:
    # The rest of the body is not read, so the connection is of no use afterwards (RFC 9110 §15.5.14).
    return Problem(413, detail=f"The body may have up to {limit} bytes.")


def is_json(content_type: str | None) -> bool:
    """Whether a media type is JSON or says that it is based on it (RFC 6839)."""
    essence = (content_type or "").partition(";")[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def decode_json(body: bytes, decode: Callable[[bytes], Any] = msgspec.json.decode) -> Any:
    """The body as JSON: strict UTF-8, no NaN, 200 levels deep at most; of repeated keys the last counts.

    `decode` may be a decoder to a type; its `msgspec.ValidationError` is let through.
    """
    try:
        value = decode(body)
        # So many levels need so many brackets, and counting those costs next to nothing.
        if body.count(b"[") + body.count(b"{") > _MAX_DEPTH and _deeper_than(msgspec.json.decode(body), _MAX_DEPTH):
            raise _too_deep()
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        if isinstance(error, msgspec.ValidationError) and decode is not msgspec.json.decode:
            raise
        raise Problem(400, detail=f"The body is not JSON: {error}") from error
    return value


def _too_deep() -> Problem:
    return Problem(400, detail=f"The body is nested more than {_MAX_DEPTH} levels deep.")


def _deeper_than(value: Any, levels: int) -> bool:
    holders = _holders([value])
    for _ in range(levels):
        holders = _holders(
            part for holder in holders for part in (holder.values() if isinstance(holder, dict) else holder)
        )
    return bool(holders)


def _holders(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (dict, list))]
