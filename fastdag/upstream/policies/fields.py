"""Header fields that the cache obeys: lists of directives, dates and seconds (RFC 9110 §5.6, RFC 9111 §1.2)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

__all__ = ["directives", "http_date", "names", "seconds"]

_DIRECTIVE = re.compile(r"""\s*([^\s=,;"]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?\s*(?:,|$)""")
_MOST = 1 << 31  # RFC 9111 §1.2.2: what overflows is taken for this


def directives(value: str) -> dict[str, str] | None:
    """`max-age=60, no-cache="Set-Cookie"` as a mapping, names in lower case; `None` if it cannot be read.

    Of a directive that is repeated the first counts (RFC 9111 §4.2.1).
    """
    found: dict[str, str] = {}
    at = 0
    value = value.strip()
    while at < len(value):
        if value[at] in ", \t":
            at += 1
            continue
        match = _DIRECTIVE.match(value, at)
        if match is None:
            return None
        name, quoted, token = match.groups()
        found.setdefault(name.lower(), quoted if quoted is not None else token or "")
        at = match.end()
    return found


def names(value: str) -> set[str]:
    """A list of names (`Vary`), in lower case."""
    return {name for part in value.split(",") if (name := part.strip().lower())}


def seconds(value: str | None) -> int | None:
    """Delta-seconds; `None` for what is none."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return min(int(value[:11]), _MOST)


def http_date(value: str | None) -> float | None:
    """A date as seconds of the calendar; `None` for what is none."""
    if value is None:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
