"""Putting what nodes wrote into `context.response` onto the response, in the order of declaration."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

import falcon

from fastdag.context import Context, ResponseParts
from fastdag.outcome import Outcome

__all__ = ["apply", "send_headers"]

log = logging.getLogger("fastdag.web")

# What describes one connection or the framing on it is the server's business (RFC 9110 §7.6.1).
_NOT_OURS = frozenset(
    {
        "connection",
        "content-length",
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

_ADDING = frozenset({"set-cookie", "vary"})

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII).fullmatch
# RFC 9110 §5.5 without obs-text beyond Latin-1, which WSGI cannot carry.
_VALUE = re.compile(r"[\t -~\x80-\xff]*").fullmatch


def apply(context: Context, outcomes: Mapping[str, Outcome], resp: falcon.Response) -> tuple[int | None, list[str]]:
    """Set the headers; returns the status that a node chose, and every `Cache-Control`, which are to be combined.

    What a failed or cancelled node wrote is not sent. Headers that would break the message (a line end, a framing
    header) are dropped: their values may come from upstreams, and an upstream cannot fail an answer in this way.
    """
    status: int | None = None
    cache_control: list[str] = []
    for parts in _in_order(context, outcomes):
        status = parts.status or status
        cache_control += send_headers(parts, resp)
    return status, cache_control


def send_headers(parts: ResponseParts, resp: falcon.Response) -> list[str]:
    """Set the headers that one node wrote, but for `Cache-Control`, which is returned."""
    cache_control = []
    written = [(name, value, "last") for name, value in parts.headers.items()]
    for name, value, how in [*written, *parts.added]:
        key, value = name.lower(), str(value)
        if key in _NOT_OURS or not _NAME(key) or not _VALUE(value):
            log.warning("dropped a node's header: %r is not its to set, or the value breaks the message", name)
        elif key == "cache-control":
            cache_control.append(value)
        elif key in _ADDING or how == "append":
            resp.append_header(key, value)
        elif how == "last" or resp.get_header(key) is None:
            resp.set_header(key, value)
    return cache_control


def _in_order(context: Context, outcomes: Mapping[str, Outcome]) -> list[ResponseParts]:
    written = context.parts
    # Strangers are code outside of nodes, and the nodes of a graph that a node ran.
    strangers = [parts for node_id, parts in written.items() if node_id is None or node_id not in outcomes]
    return strangers + [written[node_id] for node_id in outcomes if node_id in written and outcomes[node_id].ok]
