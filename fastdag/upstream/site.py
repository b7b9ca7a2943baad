"""What the layers of one upstream share: who it is, where it is, how long it may take, and what time it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from fastdag.concurrency import sleep
from fastdag.events import Instruments
from fastdag.upstream.call import Host, Send, Transport

__all__ = ["Chance", "Policy", "Site", "State"]

T = TypeVar("T")


class State(Protocol):
    """What one policy remembers about one upstream."""

    def describe(self) -> dict[str, Any]: ...


class Chance(Protocol):
    """What draws lots."""

    def uniform(self, a: float, b: float) -> float: ...

    def sample(self, population: Sequence[T], k: int) -> list[T]: ...


S = TypeVar("S", bound=State)


@dataclass(slots=True, eq=False)
class Site:
    """One upstream, as its layers see it.

    `timeout` is the total of a call and `attempt_timeout` that of one attempt, both in seconds, `None` for no limit
    but the caller's. Time is a parameter: `clock` is monotonic, `wall` is the calendar's (HTTP dates), and nothing
    else is asked for the time or slept with, so that tests can turn the clock.
    """

    name: str
    hosts: tuple[Host, ...]
    transport: Transport
    timeout: float | None = None
    attempt_timeout: float | None = 1.0
    deadline_header: str | None = "Fastdag-Deadline"
    instruments: Instruments = field(default_factory=Instruments)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], object] = sleep
    random: Chance = random  # the module: it seeds itself anew in a forked worker, so that no two draw the same
    states: dict[str, State] = field(default_factory=dict)
    troubled: set[str] = field(default_factory=set)  # URLs of hosts whose breaker is not closed: breaker

    def keep(self, name: str, make: Callable[[], S]) -> S:
        """The state of that name, made when it is first asked for.

        A policy may be bound many times, once for each override it meets; its state is made once.
        """
        if name not in self.states:
            self.states[name] = make()
        return self.states[name]  # type: ignore[return-value]


class Policy(Protocol):
    """Options, frozen. `bind` returns the layer that does what they say around `send`."""

    def bind(self, site: Site, send: Send) -> Send: ...
