"""What caches between us and the client may do with an answer (RFC 9111), and what a client need not be sent again.

`Cache-Control` is computed from the parts: an answer is as private, and as short-lived, as its most careful part.
`Vary` names the request headers that were looked at while the answer was made; it is known, not declared.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import falcon

__all__ = ["combined", "etag", "matches", "not_modified", "vary_on"]

# One part that says so is enough; the others hold only if all parts say them (RFC 9111 §5.2.2).
_CAREFUL = ("private", "no-cache", "must-revalidate", "proxy-revalidate", "no-transform")
_GENEROUS = ("public", "immutable")
_SECONDS = ("stale-while-revalidate", "stale-if-error")

_LONGEST = 1 << 31

# They say who asks and by when, and select nothing.
_NEUTRAL = frozenset({"fastdag-deadline", "traceparent", "tracestate", "x-request-id"})


def combined(values: Iterable[str]) -> str:
    """One `Cache-Control` out of several: `no-store` wins, then the least `max-age`."""
    parts = [_directives(value) for value in values]
    if any("no-store" in part for part in parts):
        return "no-store"
    found = [name for name in _CAREFUL if any(name in part for part in parts)]
    found += [name for name in _GENEROUS if all(name in part for part in parts) and "private" not in found]
    found += _least("max-age", [part["max-age"] for part in parts if "max-age" in part])
    if any("s-maxage" in part for part in parts):
        # To a shared cache, max-age is what a part says if it does not say s-maxage.
        shared = [part.get("s-maxage", part.get("max-age")) for part in parts]
        found += _least("s-maxage", [seconds for seconds in shared if seconds is not None])
    for name in _SECONDS:
        if all(name in part for part in parts):
            found += _least(name, [part[name] for part in parts])
    return ", ".join(found)


def _directives(value: str) -> dict[str, str]:
    pairs = (directive.partition("=") for directive in value.split(","))
    return {name.strip().lower(): argument.strip().strip('"') for name, _, argument in pairs if name.strip()}


def _least(name: str, seconds: list[str]) -> list[str]:
    return [f"{name}={min(map(_delta, seconds))}"] if seconds else []


def _delta(seconds: str) -> int:
    # RFC 9111 §1.2.2 and §4.2.1: more than 2^31 is 2^31, and what is no number is stale already.
    if not (seconds.isascii() and seconds.isdigit()):
        return 0
    return min(int(seconds), _LONGEST) if len(seconds) <= 10 else _LONGEST


def vary_on(names: Iterable[str], resp: falcon.Response) -> None:
    """Say which request headers the answer depends on (RFC 9110 §12.5.5)."""
    told = sorted(set(names) - _NEUTRAL)
    if told:
        resp.append_header("Vary", "*" if "*" in told else ", ".join(told))


def etag(content: bytes, coding: str | None = None) -> str:
    """A strong validator (RFC 9110 §8.8.3): other bytes, other tag; the same content encoded differently, too."""
    digest = sha256(content).hexdigest()[:24]  # processors have instructions for it
    return f'"{digest}-{coding}"' if coding else f'"{digest}"'


def matches(if_none_match: str, tag: str) -> bool:
    """Whether the client has what the tag stands for (RFC 9110 §13.1.2: the comparison is weak)."""
    return if_none_match.strip() == "*" or any(
        candidate.strip().removeprefix("W/") == tag for candidate in if_none_match.split(",")
    )


def not_modified(resp: falcon.Response) -> None:
    """Turn the answer into a 304: the headers stay, the content goes (RFC 9110 §15.4.5)."""
    resp.status = 304
    resp.data = None
    for name in ("Content-Type", "Content-Encoding"):
        resp.delete_header(name)
