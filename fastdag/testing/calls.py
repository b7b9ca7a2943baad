"""The calls that a `FakeUpstream` received, and what can be said about when they did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Protocol

import msgspec

from fastdag.upstream.call import Headers

__all__ = ["Called", "Received", "must_follow", "must_overlap", "must_stay_within"]


@dataclass(slots=True, eq=False)
class Received:
    """One call as the upstream got it.

    `path` is as it was sent, percent-encoded; `params` are the parts of it that the route names, decoded, and `query`
    the parameters (a repeated one as a list).
    `began` and `ended` are instants of the monotonic clock: when its head had been read, and when the answer, or
    what became of it, was over; `ended` is infinite until then.
    """

    method: str
    path: str
    query: Mapping[str, Any]
    headers: Headers
    body: bytes = b""
    params: Mapping[str, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = math.inf

    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    def overlaps(self, other: Received) -> bool:
        """Whether both were in flight at some moment."""
        return self.began < other.ended and other.began < self.ended

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Called(Protocol):
    """A `FakeUpstream`, or one of its routes."""

    @property
    def calls(self) -> Sequence[Received]: ...


def must_overlap(*called: Called) -> None:
    """Fails unless, of each two of these, some calls were in flight together.

    An answer that is there at once leaves no time to overlap: give the answers a delay.
    """
    for one, other in combinations(called, 2):
        if not any(a.overlaps(b) for a in _calls(one) for b in _calls(other)):
            raise AssertionError(f"{one} and {other} did not overlap\n{_times(one, other)}")


def must_follow(later: Called, *earlier: Called) -> None:
    """Fails unless every call of `later` began after all calls of each of the others had ended."""
    began = min(call.began for call in _calls(later))
    for one in earlier:
        if began < max(call.ended for call in _calls(one)):
            raise AssertionError(f"{later} began before {one} had ended\n{_times(later, one)}")


def must_stay_within(most: int, *called: Called) -> None:
    """Fails if more than `most` of these calls were ever in flight at once."""
    calls = [call for one in called for call in _calls(one)]
    peak = max(sum(other.began <= call.began < other.ended for other in calls) for call in calls)
    if peak > most:
        raise AssertionError(f"{peak} calls were in flight at once, more than {most}\n{_times(*called)}")


def _calls(called: Called) -> Sequence[Received]:
    if not called.calls:
        raise AssertionError(f"{called} was never called")
    return called.calls


def _times(*called: Called) -> str:
    """When each call was, in milliseconds after the first."""
    calls = sorted({call for one in called for call in one.calls}, key=lambda call: call.began)
    start = calls[0].began
    lines = (f"  {(c.began - start) * 1e3:8.1f} to {(c.ended - start) * 1e3:8.1f} ms  {c}" for c in calls)
    return "\n".join(lines)
