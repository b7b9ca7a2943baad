"""Whom a request belongs to in a distributed trace (W3C Trace Context, level 1).

A valid `traceparent` is handed on to the upstreams; without one the trace begins here. `tracestate` means nothing
without its parent, and is dropped as a whole where it is malformed (§3.3.1.3 and §4.3 there).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from fastdag.events import TRACE

__all__ = ["trace_context", "trace_id"]

Trace = tuple[tuple[str, str], ...]

# Version 00 is exactly this long. Later versions may add fields behind a dash, which we do not understand and drop.
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII).fullmatch
_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER = re.compile(_KEY + r"=[ -+\--<>-~]{0,255}[!-+\--<>-~]", re.ASCII).fullmatch


def trace_context(environ: dict[str, Any]) -> Trace:
    """The trace headers to send upstream; remembered, and whoever makes spans puts others in their place."""
    found: Trace | None = environ.get(TRACE)
    if found is None:
        found = environ[TRACE] = _trace_context(environ)
    return found


def trace_id(environ: dict[str, Any]) -> str:
    """The id of the trace that a request belongs to, in 32 hexadecimal digits."""
    return trace_context(environ)[0][1][3:35]


def _trace_context(environ: Mapping[str, Any]) -> Trace:
    parent = _parent(environ.get("HTTP_TRACEPARENT", ""))
    if parent is None:
        ids = os.urandom(24).hex()
        return (("traceparent", f"00-{ids[:32]}-{ids[32:]}-00"),)
    state = _state(environ.get("HTTP_TRACESTATE", ""))
    return (("traceparent", parent), ("tracestate", state)) if state else (("traceparent", parent),)


def _parent(header: str) -> str | None:
    found = _PARENT(header.strip(" \t"))
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    # Of the flags we know two: sampled, and random (level 2).
    return f"00-{trace_id}-{parent_id}-{flags if version == '00' else f'{int(flags, 16) & 3:02x}'}"


def _state(header: str) -> str | None:
    members = [member for member in (part.strip(" \t") for part in header.split(",")) if member]
    keys = {member.partition("=")[0] for member in members}
    well_formed = len(keys) == len(members) <= 32 and all(_MEMBER(member) for member in members)
    return ",".join(members) if well_formed and members else None
