"""The page of `fastdag_page`, whose observers are changed while it runs, for `benchmarks.observe`.

`GET /observers/metrics,timeline` installs these in place of those before; `GET /cpu` is what the worker has used so
far.
"""

from __future__ import annotations

import gc
import time

import falcon
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.contestants.fastdag_page import app, page
from fastdag.observe.install import Observers
from fastdag.observe.log import Log
from fastdag.observe.metrics import Metrics
from fastdag.observe.timeline import Timeline
from fastdag.observe.trace import Tracing

__all__ = ["app"]


class Nowhere:
    """A log's stream that costs nothing."""

    def write(self, text: str) -> int:
        return len(text)


OBSERVERS = {
    "metrics": Metrics(),
    "timeline": Timeline(),
    "log": Log(Nowhere(), form="json"),
    "traces": Tracing(TracerProvider()),
}


class Installed:
    """The observers that are installed."""

    def __init__(self) -> None:
        self.observers = Observers()

    def on_get(self, req: falcon.Request, resp: falcon.Response, names: str) -> None:
        self.observers.unwatch()
        self.observers = Observers(OBSERVERS[name] for name in names.split(",") if name != "none")
        self.observers.watch(app, page)
        # As gunicorn.conf.py does: a full collection that looks through everything takes as long as what is measured
        # at a time.
        gc.collect()
        gc.freeze()


class Cpu:
    """Seconds of CPU, user and system."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = time.process_time()


app.add_route("/observers/{names}", Installed())
app.add_route("/cpu", Cpu())
