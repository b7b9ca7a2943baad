"""Sending an answer's bytes: in the coding that the client prefers, or only the news that it has them already."""

from __future__ import annotations

import falcon

from fastdag.web import caching, compress
from fastdag.web.request import RequestContext

__all__ = ["deliver"]


def deliver(context: RequestContext, content: bytes, resp: falcon.Response, *, tagged: bool) -> None:
    """Put the content on the response. With `tagged` it gets an `ETag`, and a client that has it gets 304.

    An `ETag` that a node set stands for the content as it is, so that is sent without a coding.
    """
    env = context.request.env
    if context.asked:
        caching.vary_on(context.asked, resp)
    tag = resp.get_header("ETag")
    coding = None
    if tag is None and len(content) >= compress.MIN_BYTES:
        resp.append_header("Vary", "accept-encoding")
        accepted = env.get("HTTP_ACCEPT_ENCODING")
        coding = compress.chosen(accepted) if accepted else None
    if tagged and context.method in ("GET", "HEAD"):
        if tag is None:
            tag = caching.etag(content, coding)
            resp.set_header("ETag", tag)
        held = env.get("HTTP_IF_NONE_MATCH")
        if held is not None and caching.matches(held, tag):
            caching.not_modified(resp)
            return
    if coding is not None:
        content = compress.compress(content, coding)
        resp.set_header("Content-Encoding", coding)
    resp.data = content
