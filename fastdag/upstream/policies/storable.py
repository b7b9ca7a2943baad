"""Which answers a shared cache may keep, and for how long: RFC 9111, and RFC 5861 for stale ones.

Stricter than the RFC where that is simpler: `no-cache` and `private` are refused whole, whatever fields they name,
because nothing is revalidated; there is no heuristic freshness; a call that says itself how it wants to be cached,
or asks for a part or on a condition, passes by the cache.
"""

from __future__ import annotations

from typing import NamedTuple

from fastdag.upstream.call import Call, Headers, Response
from fastdag.upstream.policies.fields import directives, http_date, names, seconds
from fastdag.upstream.policies.identity import UNKEYED

__all__ = ["Lifetime", "cacheable", "lifetime"]

_PASS_BY = frozenset(
    {
        "cache-control",
        "pragma",
        "range",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
    }
)
_NEVER = ("no-store", "no-cache", "private")
_NEVER_STALE = ("must-revalidate", "proxy-revalidate", "s-maxage")  # RFC 9111 §5.2.2.2, §5.2.2.8, §5.2.2.10
_SHARED = ("public", "s-maxage", "must-revalidate")  # what allows to keep an answer to an authorized call: §3.5


class Lifetime(NamedTuple):
    """For how many seconds an answer is fresh, and for how many more it may be served stale, and when."""

    fresh: float
    while_revalidate: float
    if_error: float

    @property
    def total(self) -> float:
        return self.fresh + max(self.while_revalidate, self.if_error)


def cacheable(call: Call) -> bool:
    """Whether a call may be answered from the cache at all."""
    return (
        call.method == "GET"
        and call.body is None
        and not call.stream
        and not any(name.lower() in _PASS_BY for name, _ in call.headers)
    )


def lifetime(
    call: Call,
    response: Response,
    now: float,
    *,
    ttl: float | None,
    while_revalidate: float | None,
    if_error: float | None,
) -> Lifetime | None:
    """How long an answer may be kept; `None` if it may not. Arguments that are `None` are the upstream's to say."""
    headers = response.headers
    said = directives(headers.get("cache-control", ""))
    vary = names(headers.get("vary", ""))
    if (
        response.status_code != 200
        or said is None
        or any(name in said for name in _NEVER)
        or "set-cookie" in headers
        or "*" in vary
        or vary & UNKEYED
    ):
        return None
    fresh = ttl
    if fresh is None:
        authorized = any(name.lower() == "authorization" for name, _ in call.headers)
        if authorized and not any(name in said for name in _SHARED):
            return None
        fresh = _granted(headers, said, now)
    if any(name in said for name in _NEVER_STALE):
        while_revalidate = if_error = 0.0
    found = Lifetime(
        fresh,
        _window(while_revalidate, said.get("stale-while-revalidate")),
        _window(if_error, said.get("stale-if-error")),
    )
    return found if found.total > 0 else None


def _window(ours: float | None, theirs: str | None) -> float:
    return float(seconds(theirs) or 0) if ours is None else ours


def _granted(headers: Headers, said: dict[str, str], now: float) -> float:
    """The freshness that the upstream grants, less the age the answer already had (RFC 9111 §4.2)."""
    age = seconds(headers.get("age")) or 0
    for name in ("s-maxage", "max-age"):
        if name in said:
            return float((seconds(said[name]) or 0) - age)
    expires = http_date(headers.get("expires"))
    if expires is None:
        return 0.0
    date = http_date(headers.get("date"))
    return expires - (now if date is None else date) - age
