"""Nodes that wait without a greenlet: what the engine and such a node agree upon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

__all__ = ["Flight", "Flyer", "flies", "flyer_of", "shaped"]

F = TypeVar("F", bound=Callable[..., Any])


class Flight(Protocol):
    """What a node waits for. Once it is `done`, landing does not block."""

    done: bool

    def cancel(self) -> None:
        """Nobody waits for it any more, and it will not land."""


class Flyer(Protocol):
    """A node that does what its `load` does in two halves.

    `take_off` takes what `load` takes, and returns a flight, or `None` and the data. `on_landing` is called in the
    loop, once, when the flight is over; what `land` makes of it then is the data. A node whose landing is `light`
    runs nobody else's code there, so that it may land in the loop if the flight is done.
    """

    light: bool

    def take_off(
        self, context: Any, on_landing: Callable[[Any], object], *args: Any, **parents: Any
    ) -> tuple[Flight | None, Any]: ...

    def land(self, context: Any, flight: Any) -> Any: ...


def flies(load: F) -> F:
    """Marks the `load` of a class that has the two halves as well. One that overrides it has not."""
    load.flies = True  # type: ignore[attr-defined]
    return load


def flyer_of(function: Callable[..., Any]) -> Flyer | None:
    """The node whose marked `load` this is, shaped or not, if it is one."""
    if getattr(getattr(function, "__func__", None), "flies", False):
        return function.__self__  # type: ignore[attr-defined, no-any-return]
    return getattr(function, "flyer", None)


def shaped(function: Callable[..., Any], shaper: Callable[[Any], Any]) -> Callable[..., Any]:
    """The same, with a shaper that its data goes through."""

    def load(*args: Any, **parents: Any) -> Any:
        return shaper(function(*args, **parents))

    flyer = flyer_of(function)
    load.flyer = None if flyer is None else _Shaped(flyer, shaper)  # type: ignore[attr-defined]
    return load


class _Shaped:
    """A flyer whose data is shaped."""

    def __init__(self, flyer: Flyer, shaper: Callable[[Any], Any]) -> None:
        self._flyer = flyer
        self._shaper = shaper
        self.light = flyer.light

    def take_off(
        self, context: Any, on_landing: Callable[[Any], object], *args: Any, **parents: Any
    ) -> tuple[Flight | None, Any]:
        flight, data = self._flyer.take_off(context, on_landing, *args, **parents)
        return flight, None if flight else self._shaper(data)

    def land(self, context: Any, flight: Any) -> Any:
        return self._shaper(self._flyer.land(context, flight))
