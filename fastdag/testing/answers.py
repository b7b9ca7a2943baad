"""What a `FakeUpstream` answers: data, a whole answer, or one of the ways in which an upstream goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

__all__ = [
    "Answer",
    "answer",
    "bad_json",
    "cut",
    "drip",
    "filled",
    "hang",
    "reset",
    "status",
]

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and what becomes of it on the way. Made by the functions of this module.

    `body` is sent as it is if it is bytes or text, else as JSON; `{id}` in its strings is what the path had there.
    `delay` is in seconds. `fate` says how it is sent: `whole`; `hang`: never, until the client leaves; `reset`: the
    connection is, in its place; `cut`: half of the body, then the end; `drip`: a byte every `pace` seconds.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    fate: str = "whole"
    pace: float = 0.0

    def filled(self, values: Mapping[str, str]) -> Answer:
        """The same with the values in their places."""
        return replace(self, body=filled(self.body, values))

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)

    def message(self) -> tuple[bytes, bytes]:
        """Head and body as they go over the wire."""
        content = self.content
        kind = "text/plain; charset=utf-8" if isinstance(self.body, str) else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1"), content


Script = Answer | Callable[[Any], Any] | Any
"""What can be scripted: an `Answer`, a function of the received call that returns any of these, or data."""


def answer(
    body: Any = None, *, status: int = 200, headers: Mapping[str, str] | None = None, delay: float = 0.0
) -> Answer:
    """An answer that arrives whole, after `delay` seconds."""
    return Answer(body, status, headers or {}, delay)


def status(status: int, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with another status than 200."""
    return Answer(body, status, headers or {})


def hang() -> Answer:
    """No answer: the request is read, and the connection stays open until the client leaves."""
    return Answer(fate="hang")


def reset() -> Answer:
    """No answer: the request is read and the connection reset."""
    return Answer(fate="reset")


def bad_json() -> Answer:
    """An answer with status 200 that says it is JSON and is not."""
    return Answer(b'{"this is": no JSON')


def cut(body: Any = "a body of which half arrives") -> Answer:
    """An answer that ends in the middle of its body."""
    return Answer(body, fate="cut")


def drip(body: Any = "a body that arrives byte by byte", *, pace: float = 0.1) -> Answer:
    """An answer whose body comes one byte at a time, `pace` seconds apart."""
    return Answer(body, fate="drip", pace=pace)


def filled(body: Any, values: Mapping[str, str]) -> Any:
    """Data with `{id}` in its strings replaced, where the values have an `id`."""
    if isinstance(body, str):
        return _PLACE.sub(lambda found: values.get(found[1], found[0]), body)
    if isinstance(body, Mapping):
        return {key: filled(value, values) for key, value in body.items()}
    return [filled(value, values) for value in body] if isinstance(body, (list, tuple)) else body
