"""Live updates, as server-sent events (WHATWG HTML §9.2): a frame now, and one every so often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import falcon

from fastdag.concurrency import sleep
from fastdag.deadline import now
from fastdag.shape.encode import encode
from fastdag.web.lifecycle import Lifecycle
from fastdag.web.panel.view import View
from fastdag.web.problem import Problem
from fastdag.web.stream import EVENT_STREAM

__all__ = ["Live"]

#: Looking at a service must not slow it: all viewers together get this part of the worker's time.
_SHARE = 0.05


class Live:
    """The viewers of one worker, `most` at a time, and how often they are told: every `interval` seconds, or less
    often where making a frame takes long."""

    def __init__(self, lifecycle: Lifecycle, *, most: int, interval: float) -> None:
        self._lifecycle = lifecycle
        self._most = most
        self._interval = interval
        self._viewers: WeakSet[_Viewer] = WeakSet()

    def send(self, view: View, resp: falcon.Response) -> None:
        """Answer with the frames of a view; 503 if there are enough viewers already."""
        if len(self._viewers) >= self._most:
            raise Problem(503, detail="There are enough viewers already.", headers={"Retry-After": "5"})
        viewer = _Viewer(self, view)
        self._viewers.add(viewer)
        resp.stream = viewer
        resp.content_type = EVENT_STREAM
        resp.set_header("X-Accel-Buffering", "no")  # nginx would collect frames until a buffer is full

    @property
    def over(self) -> bool:
        """Whether the worker is about to stop, which must not wait for viewers."""
        return self._lifecycle.draining

    def pause(self, took: float) -> float:
        """How long to wait after a frame that took so long."""
        return max(self._interval, took * len(self._viewers) / _SHARE)

    def leave(self, viewer: _Viewer) -> None:
        self._viewers.discard(viewer)


class _Viewer:
    """The frames of one viewer, as a WSGI body. Closing it, as servers do in any case, gives its place back."""

    def __init__(self, live: Live, view: View) -> None:
        self._live = live
        self._frames = self._make(live, view)

    def _make(self, live: Live, view: View) -> Iterator[bytes]:
        while not live.over:
            began = now()
            event = _event(view.data())
            took = now() - began
            yield event
            sleep(live.pause(took))

    def __iter__(self) -> Iterator[bytes]:
        return self._frames

    def close(self) -> None:
        self._live.leave(self)


def _event(data: dict[str, Any]) -> bytes:
    # JSON has no line ends of its own in it, so one line holds it.
    return b"data: %s\n\n" % encode(data)
