"""Making the calls of one node, and of no other, meet a fault: on the sockets, below all of the policies."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from fastdag.concurrency import sleep
from fastdag.errors import UpstreamTimeout
from fastdag.graph import Graph
from fastdag.node import Node
from fastdag.observe.install import upstreams_of
from fastdag.testing.answers import Answer
from fastdag.testing.fake import FakeUpstream
from fastdag.testing.override import substituted
from fastdag.testing.stacking import restacked
from fastdag.upstream.call import Call, Host, Response, Send
from fastdag.upstream.site import Site

__all__ = ["Detour", "afresh", "diverted", "elsewhere", "late"]

#: What happens to an attempt, given the transport that would have sent it and the seconds that are left.
Detour = Callable[[Send, Call, float | None], Response]

#: The detour that the calls of the running code take. Contextvars go with a call into hedges and elements.
_DETOUR: ContextVar[Detour | None] = ContextVar("fastdag_testing_detour", default=None)


@contextmanager
def elsewhere(fault: Answer | None) -> Iterator[Detour]:
    """A detour to a host with which every call goes the same way; `None`: where nobody listens."""
    with ExitStack() as stack:
        if fault is None:
            deaf = stack.enter_context(socket.socket())  # bound, so that nobody else gets the port, and deaf
            deaf.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        else:
            fake = stack.enter_context(FakeUpstream())
            fake.on("* /*", fault)
            url = fake.url
        host = Host.parse(url)

        def detour(send: Send, call: Call, _left: float | None) -> Response:
            usual = call.host
            call.host = host
            try:
                return send(call)
            finally:
                call.host = usual

        yield detour


def late(seconds: float) -> Detour:
    """A detour that takes so long."""

    def detour(send: Send, call: Call, left: float | None) -> Response:
        if left is not None and left <= seconds:
            sleep(max(0.0, left))
            raise UpstreamTimeout("the time was up before the answer came", sent=True)
        sleep(seconds)
        return send(call)

    return detour


@contextmanager
def afresh(graph: Graph) -> Iterator[None]:
    """All upstreams of a graph start from nothing, and their calls can be diverted."""
    with ExitStack() as stack:
        for upstream in upstreams_of(graph):
            site = upstream.stack.site
            stack.enter_context(restacked(upstream, transport=_Diverting(site)))
        yield


@contextmanager
def diverted(graph: Graph, node_id: str, detour: Detour) -> Iterator[None]:
    """The calls of one node take a detour."""

    def substitute(node: Node) -> Callable[..., Any]:
        function = node.function()

        def call(*args: Any, **parents: Any) -> Any:
            token = _DETOUR.set(detour)
            try:
                return function(*args, **parents)
            finally:
                _DETOUR.reset(token)

        return call

    with substituted(graph, {node_id: substitute}):
        yield


class _Diverting:
    """A transport around a site's own."""

    def __init__(self, site: Site) -> None:
        self._clock = site.clock
        self._transport = site.transport

    def send(self, call: Call) -> Response:
        detour = _DETOUR.get()
        if detour is None:
            return self._transport.send(call)
        return detour(self._transport.send, call, None if call.deadline is None else call.deadline - self._clock())

    def close(self) -> None:
        self._transport.close()
