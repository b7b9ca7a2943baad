"""The `Server-Timing` header (W3C Server Timing): how long each node took, shown by browsers' developer tools."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastdag.outcome import OK
from fastdag.result import Span

__all__ = ["server_timing"]

# RFC 9110 §5.6.2; anything else stands in a description.
_NOT_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]", re.ASCII)

#: Proxies drop answers with long headers.
_MOST = 50


def server_timing(timeline: Iterable[Span]) -> str:
    """The header's value: `product;dur=12.3, reviews;dur=300;desc="failed"`, by start; 50 nodes at most."""
    return ", ".join(_metric(span) for span, _ in zip(timeline, range(_MOST), strict=False))


def _metric(span: Span) -> str:
    name = _NOT_TOKEN.sub("_", span.id)
    says = [span.id] if name != span.id and span.id.isascii() and span.id.isprintable() else []
    if span.state != OK:
        says.append(span.state)
    text = " ".join(says).replace("\\", "\\\\").replace('"', '\\"')
    return f"{name};dur={(span.ended - span.started) * 1000:.1f}" + (f';desc="{text}"' if text else "")
