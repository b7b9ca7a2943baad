"""What can happen, by name, and who is told.

The set of names is closed, and so are the fields of each: logs, metrics, traces, timeline and panel all speak it. An
`Instruments` belongs to one graph, upstream or app; with nothing installed, an event costs one look at an attribute.
An instrument that raises is taken out and logged; the request never notices.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fastdag.concurrency import Timeout

__all__ = ["EVENTS", "TRACE", "Bare", "Gathered", "Instrument", "Instruments"]

#: Every event and its fields. Times are in seconds. `run` is the run itself (`fastdag.observe.record` makes plain
#: data of it), `node` an id, or `None` where the code belongs to no node; `status` is 0 where nothing was answered,
#: `reason` is empty where nothing went wrong.
EVENTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # The app. `environ` is WSGI's.
        "request.started": ("method", "path", "request_id", "environ"),
        "request.ended": ("method", "path", "route", "status", "request_id", "trace_id", "elapsed", "environ"),
        "request.shed": ("path", "request_id", "draining"),  # without an id where the server refuses it at the door
        "loop.lagged": ("seconds", "by"),
        # The graph. `node.started` is told in the contextvars that the node will run in.
        "run.started": ("graph", "run"),
        "run.ended": ("graph", "run", "elapsed"),
        "node.started": ("graph", "run", "node"),
        "node.ended": ("graph", "run", "node", "state", "reason", "elapsed"),
        "node.abandoned": ("graph", "node"),
        "node.shed": ("graph", "node"),
        "merge.conflict": ("graph", "path", "earlier", "later"),
        "sink.dropped": ("graph", "node"),
        "sink.failed": ("graph", "node", "error"),
        # The upstream. `call` is the call about to be sent: headers may be set in it, for this attempt alone.
        "call.started": ("upstream", "node", "method", "path"),
        "call.ended": ("upstream", "node", "method", "path", "status", "reason", "elapsed"),
        "attempt.started": ("upstream", "host", "method", "attempt", "call"),
        "attempt.ended": ("upstream", "host", "method", "attempt", "call", "status", "reason", "elapsed"),
        "retry.scheduled": ("upstream", "host", "attempt", "pause"),
        "retry.refused": ("upstream", "host", "attempt", "why"),
        "hedge.started": ("upstream", "after"),
        "breaker.changed": ("upstream", "host", "previous", "state"),
        "breaker.rejected": ("upstream", "host", "retry_after"),
        "bulkhead.rejected": ("upstream", "in_flight", "waiting", "rejected"),
        "cache.hit": ("upstream", "age"),
        "cache.stale": ("upstream", "age", "why"),
        "cache.miss": ("upstream",),
        "store.failed": ("upstream", "operation", "reason"),  # of a cache's shared store; the call goes on without
        "host.ejected": ("upstream", "host", "seconds"),
        "host.returned": ("upstream", "host"),
        "connection.dropped": ("host", "cause"),
    }
)

#: The environ's key for the headers that carry a request's trace on to upstreams, `traceparent` first. Whoever makes
#: spans sets it at `request.started`.
TRACE = "fastdag.trace"

#: So many events that are alike wait for an instrument that is `Gathered`.
TOGETHER = 64

_GATHERED = "attempt.ended"
_LEFT_OUT = frozenset({"call", "elapsed"})

Instrument = Callable[[str, Mapping[str, Any]], object]

About = tuple[Any, ...]

log = logging.getLogger("fastdag.events")


@dataclass(frozen=True, slots=True)
class Bare:
    """An instrument that takes the values of an event's fields, in the order of `EVENTS`: `function(*values)`.

    What is told of most often is told so without a mapping being made of it, which would cost more than to count it;
    and not always in the contextvars of what it is about.
    """

    function: Callable[..., object]

    def __call__(self, name: str, fields: Mapping[str, Any]) -> object:
        return self.function(*(fields[field] for field in EVENTS[name]))


class Gathered:
    """An instrument that is told how long attempts took, of many at once: `function(about, seconds)`.

    `about` are the values of the event's fields in the order of `EVENTS`, without `call`, which would be kept for too
    long, and without `elapsed`: that is in `seconds`, a list, for all events that are alike. It costs next to nothing
    while requests are answered. Of those that are alike at most `TOGETHER` wait; `hand_over` brings those that do.

    Native threads may share one. Nothing is lost or told twice: what waits is taken out one by one, and the lists stay
    where they are, since there are only so many upstreams, hosts and statuses.
    """

    __slots__ = ("function", "waiting")

    def __init__(self, function: Callable[[About, list[float]], object]) -> None:
        self.function = function
        self.waiting: dict[About, list[float]] = {}

    def __call__(self, name: str, fields: Mapping[str, Any]) -> None:
        about = tuple([fields[field] for field in EVENTS[name] if field not in _LEFT_OUT])
        alike = self.waiting.setdefault(about, [])
        alike.append(fields["elapsed"])
        if len(alike) >= TOGETHER:
            self._bring(about, alike)

    def hand_over(self) -> None:
        """Bring what waits. Raises what the function raises; what it was called with counts as told."""
        for about, alike in list(self.waiting.items()):
            self._bring(about, alike)

    def _bring(self, about: About, alike: list[float]) -> None:
        seconds: list[float] = []
        while alike:
            try:
                seconds.append(alike.pop())
            except IndexError:  # another thread has taken the last
                break
        if seconds:
            self.function(about, seconds)


class Instruments:
    """The callbacks of one graph, upstream or app, by event name.

    Emitting is written `if instruments.active: instruments.emit("run.ended", graph="page", elapsed=0.1)`: the
    fields are only built when somebody listens. `heard` holds the names that somebody listens to, and the subjects of
    which somebody hears how they start or end (`"run"`), for who would have to do more than build fields. `mapped` are
    those of them that somebody hears who is neither `Bare` nor `Gathered`.

    `heaps` are where events of which nobody hears but one who is `Gathered` can be put by hand, as long as fewer than
    `TOGETHER` are there then.
    """

    __slots__ = ("_by_name", "_takers", "active", "heaps", "heard", "mapped")

    def __init__(self) -> None:
        self.active = False
        self.heard: frozenset[str] = frozenset()
        self.mapped: frozenset[str] = frozenset()
        self._by_name: dict[str, tuple[Instrument, ...]] = {}
        self._takers: dict[str, tuple[tuple[Instrument, Callable[..., object]], ...]] = {}
        self.heaps: dict[str, dict[About, list[float]] | None] = {}

    def on(self, name: str, instrument: Instrument) -> None:
        """Call `instrument(name, fields)` at every event of that name. An unknown name is a `ValueError`."""
        if name not in EVENTS:
            raise ValueError(f"no event is called {name!r}; the events are {', '.join(sorted(EVENTS))}")
        if isinstance(instrument, Gathered) and name != _GATHERED:
            raise ValueError(f"only {_GATHERED} is gathered, of which there are few kinds; {name} is not")
        self._set(name, (*self._by_name.get(name, ()), instrument))

    def off(self, name: str, instrument: Instrument) -> None:
        """Undo `on`; an instrument that is not there is no error."""
        # Equal, not identical: a bound method is a new object every time it is looked up.
        self._set(name, tuple(other for other in self._by_name.get(name, ()) if other != instrument))

    def _set(self, name: str, instruments: tuple[Instrument, ...]) -> None:
        self._by_name[name] = instruments
        self._takers[name] = tuple((instrument, _taker(name, instrument)) for instrument in instruments)
        alone = instruments[0] if len(instruments) == 1 else None
        self.heaps[name] = alone.waiting if isinstance(alone, Gathered) else None
        names = [name for name, found in self._by_name.items() if found]
        self.heard = _with_subjects(names)
        self.mapped = _with_subjects(
            name
            for name, found in self._by_name.items()
            if not all(isinstance(one, (Bare, Gathered)) for one in found)
        )
        self.active = bool(names)

    def emit(self, name: str, /, **fields: Any) -> None:
        """Tell everybody who asked for this event; nobody can change the fields."""
        found = self._by_name.get(name)
        if found:
            shared = MappingProxyType(fields)
            for instrument in found:
                try:
                    instrument(name, shared)
                except (Exception, Timeout):
                    self.broken(name, instrument)

    def tell(self, name: str, /, *values: Any) -> None:
        """`emit` for what happens often: the values of all fields, in the order of `EVENTS`."""
        for instrument, take in self._takers.get(name, ()):
            try:
                take(*values)
            except (Exception, Timeout):
                self.broken(name, instrument)

    def broken(self, name: str, instrument: Instrument) -> None:
        self.off(name, instrument)
        log.exception("instrument %r raised at %s and is switched off", instrument, name)


def _with_subjects(names: Iterable[str]) -> frozenset[str]:
    return frozenset(part for name in names for part in (name, name.removesuffix(".started").removesuffix(".ended")))


def _taker(name: str, instrument: Instrument) -> Callable[..., object]:
    """An instrument as something that takes the values of an event's fields."""
    if isinstance(instrument, Bare):
        return instrument.function
    names = EVENTS[name]
    return lambda *values: instrument(name, MappingProxyType(dict(zip(names, values, strict=True))))
