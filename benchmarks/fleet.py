"""A fleet in simulation: workers that serve one request at a time, and a balancer that picks one of them.

Requests arrive at random (Poisson). A worker is a queue, first come first served, with a fixed time of service: the
CPU of one request, taken in one piece. The time that upstreams take is added behind it and holds nobody up: that is
what greenlets are for. Because a queue like that is known by the instant at which it will be empty, arrivals are the
only events, and every one of them is exact. A seed decides everything.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle

__all__ = ["BALANCERS", "Outage", "Seen", "simulate"]

#: Picks a worker, given the instants at which those that can be picked will be idle.
Pick = Callable[[Sequence[float]], int]


def at_random(dice: random.Random) -> Pick:
    return lambda idle_at: dice.randrange(len(idle_at))


def round_robin(dice: random.Random) -> Pick:
    turns = cycle(range(1 << 30))
    return lambda idle_at: next(turns) % len(idle_at)


def two_choices(dice: random.Random) -> Pick:
    """The less loaded of two (Mitzenmacher, The Power of Two Choices, IEEE TPDS 12, 2001)."""

    def pick(idle_at: Sequence[float]) -> int:
        one, other = dice.randrange(len(idle_at)), dice.randrange(len(idle_at))
        return one if idle_at[one] <= idle_at[other] else other

    return pick


def least(dice: random.Random) -> Pick:
    """The least loaded of all: a balancer that knows everything."""
    return lambda idle_at: min(range(len(idle_at)), key=idle_at.__getitem__)


BALANCERS: dict[str, Callable[[random.Random], Pick]] = {
    "random": at_random,
    "round robin": round_robin,
    "two choices": two_choices,
    "least loaded": least,
}


@dataclass(frozen=True, slots=True)
class Outage:
    """From the instant `at` on so many of the workers are gone, and the balancer knows."""

    at: float
    workers: int


@dataclass(slots=True)
class Seen:
    """The latencies, in seconds, of requests by the instant of their arrival; and how many were refused."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0

    def percentile(self, share: float, *, after: float = 0.0, until: float = math.inf) -> float:
        ordered = sorted(latency for arrived, latency in self.latencies if after <= arrived < until)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]

    def mean(self) -> float:
        return statistics.fmean(latency for _, latency in self.latencies)


def simulate(
    *,
    workers: int,
    service: float,
    busy: float,
    requests: int,
    balancer: str = "two choices",
    upstream: float = 0.0,
    limit: int = 256,
    outage: Outage | None = None,
    seed: int = 1,
) -> Seen:
    """So many requests, arriving so that a worker is busy for that share of the time if none is gone.

    `limit` requests may wait at one worker; one more is refused at once.
    """
    dice = random.Random(seed)
    pick = BALANCERS[balancer](dice)
    idle_at = [0.0] * workers
    rate = busy * workers / service
    seen, now = Seen(), 0.0
    for _ in range(requests):
        now += dice.expovariate(rate)
        if outage is not None and now >= outage.at:
            del idle_at[workers - outage.workers :]
        chosen = pick(idle_at)
        waiting = max(0.0, idle_at[chosen] - now)
        if waiting >= limit * service:
            seen.refused += 1
            continue
        idle_at[chosen] = now + waiting + service
        seen.latencies.append((now, waiting + service + upstream))
    return seen
