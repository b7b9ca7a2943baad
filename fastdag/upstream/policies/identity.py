"""When two calls are the same call, so that one answer may serve both.

Everything that goes upstream and could change the answer is part of the key: the method, the target, and every
header, forwarded ones and credentials included. It is hashed, over parts that carry their lengths: no value can
pose as another part, no credential can be read back, and a key has one size. The target has a hash of its own, so
that all variants of one resource can be found again.
"""

from __future__ import annotations

from hashlib import blake2b

from fastdag.upstream.call import Call, Headers, Response

__all__ = ["UNKEYED", "copy_of", "key_of", "target_of"]

# Headers that say whom a call works for, and that every call has another of: an upstream answers the same without.
UNKEYED = frozenset({"baggage", "fastdag-deadline", "traceparent", "tracestate", "x-request-id"})


def _hash(*parts: str) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def target_of(target: str) -> str:
    """The first part of the key, which all variants of one target share."""
    return _hash(target)


def key_of(call: Call) -> tuple[str, str]:
    """The key of a call, as target and variant. The order of headers with different names does not matter."""
    headers = [(name.lower(), value) for name, value in call.headers]
    headers.sort(key=lambda header: header[0])
    parts = [part for header in headers if header[0] not in UNKEYED for part in header]
    return target_of(call.target), _hash(call.method, str(call.max_bytes), *parts)


def copy_of(response: Response) -> Response:
    """The same answer for somebody else: nothing that one of them could change is shared."""
    headers = Headers(list(response.headers.raw))
    return Response(response.status_code, headers, response.content, url=response.url, elapsed=response.elapsed)
