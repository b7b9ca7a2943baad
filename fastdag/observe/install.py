"""Installing observers: on an app with its graphs and their upstreams, on a graph, on an upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

from fastdag.events import EVENTS, Instrument, Instruments
from fastdag.graph import Graph
from fastdag.node import Node
from fastdag.upstream.client import Upstream
from fastdag.wiring import Population

__all__ = ["Observer", "Observers", "upstream_of", "upstreams_of"]

T = TypeVar("T")

# Who tells of what. Nobody is asked to listen for what he never tells: listening has its price.
_OF_APPS = frozenset({"request", "loop"})
_OF_GRAPHS = frozenset({"run", "node", "merge", "sink"})
_OF_UPSTREAMS = frozenset(name.partition(".")[0] for name in EVENTS) - _OF_APPS - _OF_GRAPHS


class Observer(Protocol):
    """Something that wants to know. It can also have `start()` and `stop()`, called once per process by an app."""

    def events(self) -> Mapping[str, Instrument]:
        """What to call, by the name of the event."""
        ...


class Watchable(Protocol):
    """An app, a graph or an upstream."""

    instruments: Instruments


class Observers:
    """Observers that belong together, and what they have been installed on."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        for found in self._observers:
            if not callable(getattr(found, "events", None)):
                raise TypeError(f"an observer has a method events(), which {found!r} has not")
        self._watched: dict[Instruments, list[tuple[str, Instrument]]] = {}

    def watch(self, *targets: Watchable) -> None:
        """Install them, where they are not yet; of a graph also on the upstreams that its nodes fetch from.

        What a function calls by itself is not known: name such an upstream here.
        """
        for target in targets:
            if isinstance(target, Upstream):
                self._install(target.instruments, _OF_UPSTREAMS)
            elif isinstance(target, Graph):
                self._install(target.instruments, _OF_GRAPHS)
                self.watch(*upstreams_of(target))
            else:
                self._install(target.instruments, _OF_APPS)

    def _install(self, instruments: Instruments, subjects: frozenset[str]) -> None:
        if instruments not in self._watched:
            events = [event for observer in self._observers for event in observer.events().items()]
            wanted = [(name, instrument) for name, instrument in events if name.partition(".")[0] in subjects]
            self._watched[instruments] = wanted
            for name, instrument in wanted:
                instruments.on(name, instrument)

    def unwatch(self) -> None:
        """Undo `watch`, for all that has been watched."""
        for instruments, installed in self._watched.items():
            for name, instrument in installed:
                instruments.off(name, instrument)
        self._watched.clear()

    def find(self, kind: type[T]) -> T | None:
        """The first observer of a kind."""
        return next((found for found in self._observers if isinstance(found, kind)), None)

    def having(self, name: str) -> Iterator[Any]:
        """The methods of that name, of the observers that have one."""
        for found in self._observers:
            method = getattr(found, name, None)
            if method is not None:
                yield method

    def start(self) -> None:
        for start in self.having("start"):
            start()

    def stop(self) -> None:
        for stop in self.having("stop"):
            stop()


def upstreams_of(graph: Graph) -> list[Upstream]:
    """The upstreams that a graph's nodes fetch from, in the order of declaration."""
    found = map(upstream_of, Population(graph.declaration()).nodes)
    return list(dict.fromkeys(upstream for upstream in found if upstream is not None))


def upstream_of(node: Node | None) -> Upstream | None:
    """A node's, or that of the node which it does for every element, or under another id."""
    while node is not None:
        upstream = getattr(node, "upstream", None)
        if isinstance(upstream, Upstream):
            return upstream
        node = getattr(node, "inner", None)
    return None
