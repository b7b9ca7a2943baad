"""An answer in frames: every output the moment it is there, and a last frame that says what is missing.

As `application/x-ndjson` a frame is a line, as `text/event-stream` (WHATWG HTML §9.2) an event. The status goes out
with the first frame, so a run that fails before it has the status that it would have without streaming; later the
last frame is the problem. What nodes write into `context.response` is not sent: most of it would come too late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import falcon

from fastdag.concurrency import Waiter, get_hub, spawn
from fastdag.shape.encode import encode
from fastdag.watch import OnOutput

__all__ = ["EVENT_STREAM", "FRAMES", "NDJSON", "Frames", "send"]

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"

#: The environ's key for the body of an answer that goes out in frames, so that the app sees when it has ended.
FRAMES = "fastdag.frames"

Frame = tuple[str, dict[str, Any]]

_FORMATS: dict[str, Callable[[str, dict[str, Any]], bytes]] = {
    NDJSON: lambda name, data: encode({"frame": name, **data}) + b"\n",
    # JSON has no line ends of its own in it, so one data line holds it.
    EVENT_STREAM: lambda name, data: b"event: %s\ndata: %s\n\n" % (name.encode(), encode(data)),
}


class Frames:
    """The frames of one run, as a WSGI body.

    `run` does the work, in a greenlet of its own: it gets the function to call with every output, and returns the last
    frame; `explain` makes the last frame out of what it raises. Closing the body, as a server does when the client
    has left, stops the run.
    """

    def __init__(
        self, media_type: str, run: Callable[[OnOutput], Frame], explain: Callable[[Exception], Frame]
    ) -> None:
        self._format = _FORMATS[media_type]
        self._run = run
        self._explain = explain
        self._ready: deque[bytes] = deque()
        self._begun = False
        self._ended = False
        self._unsendable: Exception | None = None
        self._error: Exception | None = None
        self._waiter: Waiter | None = None
        self._on_close: list[Callable[[], object]] = []
        self._greenlet = spawn(copy_context().run, self._produce)

    def _produce(self) -> None:
        try:
            last = self._run(self._output)
            if self._unsendable is not None:
                raise self._unsendable
            self._put(*last)
        except Exception as error:
            if self._begun:
                self._put(*self._explain(error))
            else:
                self._error = error
        finally:
            self._ended = True
            self._wake()

    def _output(self, node_id: str, key: str | None, data: Any) -> None:
        # Called by the engine, between nodes: nothing may be raised here.
        try:
            self._put("output", {"node": node_id, "key": key, "data": data})
        except Exception as error:
            self._unsendable = self._unsendable or error

    def _put(self, name: str, data: dict[str, Any]) -> None:
        self._ready.append(self._format(name, data))
        self._begun = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            get_hub().loop.run_callback(self._waiter.wake)
            self._waiter = None

    def _wait(self) -> None:
        while not self._ready and not self._ended:
            waiter = self._waiter = Waiter()
            waiter.wait()

    def begin(self) -> None:
        """Wait for the first frame; raises what the run raises if that comes first."""
        self._wait()
        if self._error is not None:
            raise self._error

    def __iter__(self) -> Frames:
        return self

    def __next__(self) -> bytes:
        self._wait()
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    def on_close(self, function: Callable[[], object]) -> None:
        """Call a function when the body is closed."""
        self._on_close.append(function)

    def close(self) -> None:
        """Stop the run. PEP 3333 has servers call it however the response ends."""
        self._greenlet.kill(block=False)
        while self._on_close:
            self._on_close.pop()()


def send(frames: Frames, media_type: str, req: falcon.Request, resp: falcon.Response) -> None:
    """Answer with frames, once the first of them is there."""
    try:
        frames.begin()
    except BaseException:
        frames.close()
        raise
    req.env[FRAMES] = resp.stream = frames
    resp.content_type = media_type
    resp.set_header("Cache-Control", "no-store")
    resp.set_header("Vary", "accept")
    resp.set_header("X-Accel-Buffering", "no")  # nginx would collect frames until a buffer is full
