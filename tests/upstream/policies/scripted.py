"""A clock that is turned by hand, and a transport that does what the test says."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from fastdag.events import EVENTS, Instruments
from fastdag.upstream.call import Call, Headers, Host, Response
from fastdag.upstream.site import Site
from fastdag.upstream.stack import LAYERS, Stack, build

OFF: dict[str, Any] = {name: None for name, _, _ in LAYERS}


class Clock:
    """Both clocks of a site, and its sleep; it moves when it is told to, or slept with."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Highest(Random):
    """Draws the highest number there is."""

    def uniform(self, a: float, b: float) -> float:
        return b


Step = Response | BaseException | Callable[[Call], Response]


class Script:
    """A transport that answers with one step after another, and the last one for ever."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.seen: list[tuple[str, str, list[tuple[str, str]], float | None]] = []
        self.closed = False

    def send(self, call: Call) -> Response:
        self.seen.append((call.host.url if call.host else "", call.target, _sent(call), call.deadline))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, Response) else step(call)

    def close(self) -> None:
        self.closed = True

    @property
    def hosts(self) -> list[str]:
        return [host for host, _, _, _ in self.seen]


def answer(status: int = 200, content: bytes = b"", /, **headers: str) -> Response:
    """An answer; header names are written with underscores."""
    raw = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Response(status, Headers(raw), content, url="http://a:1/x")


def get(target: str = "/x", *headers: tuple[str, str], **more: Any) -> Call:
    return Call("GET", target, list(headers), **more)


class Bench:
    """One upstream under test: its site, its stack, and what its instruments were told.

    Given a clock, it is the machine's own that the site goes by.
    """

    def __init__(
        self,
        *steps: Step,
        name: str = "up",
        hosts: int = 1,
        clock: Any = None,
        random: Random | None = None,
        site: Any = None,
        **policies: Any,
    ) -> None:
        self.clock = clock or Clock()
        self.transport = Script(*(steps or (answer(),)))
        times = {"clock": self.clock, "wall": self.clock, "sleep": self.clock.sleep} if clock is None else {}
        self.site = Site(
            name,
            tuple(Host.parse(f"http://{letter}:1") for letter in "abcdefgh"[:hosts]),
            self.transport,
            instruments=Instruments(),
            random=random or Highest(),
            **times,
            **{"attempt_timeout": 1.0, **(site or {})},
        )
        self.events: list[tuple[str, dict[str, Any]]] = []
        for name in EVENTS:
            self.site.instruments.on(name, lambda name, fields: self.events.append((name, fields)))
        self.stack: Stack = build(self.site, {**OFF, **policies})

    def send(self, call: Call | None = None) -> Response:
        return self.stack.send(call or get())

    def told(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]


def _sent(call: Call) -> list[tuple[str, str]]:
    """The headers that a transport would send."""
    return [*call.headers, *(() if call.promise is None else (call.promise,))]
