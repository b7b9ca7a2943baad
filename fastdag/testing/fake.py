"""`FakeUpstream`: a service on a real socket, in the process of the test, that answers what the test says."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from fastdag.concurrency import get_hub, getcurrent, is_patched, spawn
from fastdag.testing.answers import Answer, Script, status
from fastdag.testing.calls import Received
from fastdag.testing.wire import read_call, send_answer

__all__ = ["FakeUpstream", "Route"]

_READ = 1
_NAME = re.compile(r"\\\{([A-Za-z_][A-Za-z0-9_]*)\\\}")


class Route:
    """What is answered to one method and path, and the calls that came for it."""

    def __init__(self, fake: str, what: str, answers: tuple[Script, ...]) -> None:
        method, _, path = what.partition(" ")
        if not path.startswith("/") or not method:
            raise ValueError(f"a route is a method and a path, like 'GET /products/{{id}}'; not {what!r}")
        if not answers:
            raise ValueError(f"{what} needs an answer: data, answer(...), a fault, or a function of the call")
        self.calls: list[Received] = []
        self._name = f"{fake} {what}"
        self._method = None if method == "*" else method.upper()
        pattern = _NAME.sub(r"(?P<\1>[^/]+)", re.escape(path).replace(r"/\*", "/.*"))
        self._matches = re.compile(pattern).fullmatch
        self._answers = answers

    def match(self, call: Received) -> Mapping[str, str] | None:
        """The named parts of a call's path; `None` if the call is for another route."""
        found = self._matches(call.path) if self._method in (None, call.method) else None
        return None if found is None else {name: unquote(part) for name, part in found.groupdict().items()}

    def answer(self, call: Received) -> Answer:
        """The answer to the call that came last: the next in line, the last one for ever."""
        script: Any = self._answers[min(len(self.calls), len(self._answers)) - 1]
        while callable(script):
            script = script(call)
        whole = script if isinstance(script, Answer) else Answer(script)
        return whole.filled(call.params)

    def __str__(self) -> str:
        return self._name


class FakeUpstream:
    """A service to test against: real sockets, scripted answers, and a record of the calls.

        with FakeUpstream() as catalog:
            product = catalog.on("GET /products/{id}", {"id": "{id}", "name": "Lamp"})
            ...
            assert product.calls[0].query == {"lang": "en"}

    - `on(route, *answers)`: data, `answer(...)`, a fault such as `hang()`, or a function of the `Received` call that
      returns one of these. Several are given one after another, the last one for ever. Of routes that match, the one
      declared last answers; `*` is any method, and `/*` at the end of a path whatever follows.
    - `delay`: seconds that every answer takes at least, so that calls have time to overlap.
    - `calls`, and `calls` of what `on` returns: what was received, with headers, bodies and times.

    At the end of the `with` block it stops, and fails the test if it was called for something that is not scripted
    (which it answers 404), or if a function raised (500). The standard library has to be patched.
    """

    def __init__(self, name: str = "fake", *, delay: float = 0.0) -> None:
        self.name = name
        self.delay = delay
        self.calls: list[Received] = []
        self.wrong: list[str] = []
        self._routes: list[Route] = []
        self._socket: Any = None
        self._watcher: Any = None
        self._serving: dict[Any, Any] = {}

    def on(self, route: str, *answers: Script) -> Route:
        """Say what is answered to a method and path, like `"GET /products/{id}"`."""
        made = Route(self.name, route, answers)
        self._routes.insert(0, made)
        return made

    @property
    def url(self) -> str:
        """The base URL, once it is started."""
        if self._socket is None:
            raise RuntimeError(f"{self.name} is not started; use it in a with block, or call start()")
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def start(self) -> FakeUpstream:
        if not is_patched():
            raise RuntimeError(
                "FakeUpstream serves beside the code under test, which takes a patched standard library; put "
                "'from gevent import monkey; monkey.patch_all()' into the first lines of conftest.py"
            )
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._watcher = get_hub().loop.io(self._socket.fileno(), _READ)
        self._watcher.start(self._accept)
        return self

    def stop(self) -> None:
        """Stop listening and drop all connections. What was recorded stays."""
        if self._socket is not None:
            self._watcher.stop()
            self._watcher.close()
            self._socket.close()
            self._socket = None
        while self._serving:
            greenlet, connection = self._serving.popitem()
            greenlet.kill()
            connection.close()  # by us where the greenlet had not begun

    def __enter__(self) -> FakeUpstream:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.stop()
        if kind is None:
            self.verify()

    def verify(self) -> None:
        """Fails if it was called for what is not scripted, or if a function of the script raised."""
        if self.wrong:
            raise AssertionError("\n".join([f"{self.name}:", *self.wrong]))

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # whoever came has left already
            return
        self._serving[spawn(self._serve, connection)] = connection

    def _serve(self, connection: Any) -> None:
        try:
            with connection, connection.makefile("rb") as file:
                while (call := read_call(file)) is not None:
                    try:
                        if not send_answer(connection, call, self._answer(call)):
                            return
                    finally:
                        call.ended = time.monotonic()
        except OSError:  # the client has left
            pass
        finally:
            self._serving.pop(getcurrent(), None)

    def _answer(self, call: Received) -> Answer:
        self.calls.append(call)
        for route in self._routes:
            params = route.match(call)
            if params is not None:
                call.params = params
                route.calls.append(call)
                return self._scripted(route, call)
        self.wrong.append(f"nothing is scripted for {call}")
        return status(404, {"error": self.wrong[-1]})

    def _scripted(self, route: Route, call: Received) -> Answer:
        try:
            found = route.answer(call)
            found.message()  # data that has no JSON form is found here, not in the middle of sending
        except Exception as error:
            self.wrong.append(f"the answer to {call} raised {error!r}")
            return status(500, {"error": self.wrong[-1]})
        return replace(found, delay=max(found.delay, self.delay))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<FakeUpstream {self.name} {len(self._routes)} routes, {len(self.calls)} calls>"
