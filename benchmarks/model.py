"""What a service can do, computed from what things cost: `docs/scale.md` explains it, `benchmarks.scale` measures it.

Arithmetic only; nothing here starts a process or reads a clock. Times are in seconds, sizes in KB of JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, linear_regression

__all__ = ["Closed", "Costs", "Fleet", "Page", "closed", "growth", "layout"]


@dataclass(frozen=True, slots=True)
class Page:
    """What answering one request takes: calls, how much JSON each brings, and how long the slowest of them takes."""

    calls: int
    size: float
    slowest: float = 0.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of CPU, measured with one worker.

    `request` is what a request costs that makes no call, `call` what a call of no bytes adds, `kilobyte` what a KB
    that comes in and goes out adds, `pause` what it adds that a request has to wait and others are served meanwhile.
    `upstream` is what a call costs the upstream, `load` what a request costs who asks. `growth` is what all of this
    is multiplied by when so many workers share the machine's caches and kernel.
    """

    request: float
    call: float
    kilobyte: float
    pause: float
    upstream: float
    load: float
    growth: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def fitted(
        cls, page: Page, *, none: float, whole: float, late: float, kilobyte: float, upstream: float, load: float
    ) -> Costs:
        """From CPU per request: the service's with no call (`none`), with the page's calls (`whole`), and with one of
        them slow (`late`); that of `upstream` and `load` with the page's calls."""
        call = (whole - none) / page.calls - kilobyte * page.size
        return cls(none, call, kilobyte, late - whole, upstream / page.calls, load)

    def worker(self, page: Page, workers: int = 1) -> float:
        """Seconds of a worker's CPU for one request."""
        whole = self.request + page.calls * (self.call + page.size * self.kilobyte)
        if page.slowest:
            whole += self.pause
        return whole * self.growth.get(workers, 1.0)

    def around(self, page: Page, workers: int = 1) -> tuple[float, float]:
        """Seconds of CPU that the upstream and the load generator spend on it."""
        growth = self.growth.get(workers, 1.0)
        return page.calls * self.upstream * growth, self.load * growth

    def with_growth(self, growth: Mapping[int, float]) -> Costs:
        return replace(self, growth=dict(growth))


def growth(per_request: Mapping[int, float]) -> tuple[float, dict[int, float]]:
    """From the same request's CPU with so many workers: what it costs with one, and how much dearer it is with more.

    A straight line through them all, which one bad measurement does not bend much; it never falls.
    """
    workers, costs = list(per_request), list(per_request.values())
    slope = linear_regression(workers, costs).slope if len(workers) > 1 else 0.0
    slope = max(slope, 0.0)
    one = fmean(costs) - slope * (fmean(workers) - 1)
    return one, {count: 1 + slope * (count - 1) / one for count in workers}


def layout(costs: Costs, page: Page, *, workers: int, cores: int, lost: float = 0.0) -> list[float]:
    """What a request asks of each core: workers have one each, upstream and load what is left, or all share all.

    `lost` is how much of the workers' cores strangers took: what is asked of them then takes longer.
    """
    worker = costs.worker(page, workers)
    upstream, load = costs.around(page, workers)
    left = cores - workers
    if left <= 0:
        return [(worker + upstream + load) / (cores - lost)] * cores
    others = [upstream, load] if left > 1 else [upstream + load]
    return [worker / (workers - lost)] * workers + others


@dataclass(frozen=True, slots=True)
class Closed:
    """Requests per second, and the mean seconds that one takes."""

    rate: float
    seconds: float


def closed(connections: int, demands: Sequence[float], wait: float = 0.0) -> Closed:
    """So many connections, each of which asks again as soon as it is answered: exact mean value analysis.

    A request visits stations, which serve one at a time and for `demands` seconds in all, and waits for `wait` seconds
    where nobody else is in the way. Who arrives at a station finds there what would be there without him (Reiser and
    Lavenberg, Mean-Value Analysis of Closed Multichain Queuing Networks, J. ACM 27, 1980); the rest is Little's law.
    """
    queues = [0.0] * len(demands)
    rate = seconds = 0.0
    for number in range(1, connections + 1):
        spent = [demand * (1 + queue) for demand, queue in zip(demands, queues, strict=True)]
        seconds = wait + sum(spent)
        rate = number / seconds
        queues = [rate * each for each in spent]
    return Closed(rate, seconds)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Machines that carry a load together, and what each of them meets; `rows` is the table of it.

    - `rate`: requests per second of all; `busy`: how much of its core a worker may use
    - `cores`: workers of one machine
    - `wait`: seconds that an upstream takes on average; a request's calls are made at once, each to another upstream
    - `call_memory`: bytes of a call in flight, with its share of the run
    - `overhead`: KB of headers of a request or call, both ways; `packets`: of a request or call, both ways

    The rest are the defaults of policies, per worker: calls in flight to an upstream, failures in a row that open a
    breaker, seconds until it is probed, and retries per second that a budget gives besides its share.
    """

    costs: Costs
    page: Page
    rate: float = 1e6
    busy: float = 0.6
    cores: int = 32
    wait: float = 0.02
    call_memory: float = 15e3
    overhead: float = 0.5
    packets: float = 4.0
    bulkhead: int = 256
    consecutive: int = 5
    open: float = 5.0
    retries: float = 1.0

    @property
    def workers(self) -> int:
        return math.ceil(self.rate * self.costs.worker(self.page) / self.busy)

    @property
    def machines(self) -> int:
        return math.ceil(self.workers / self.cores)

    def rows(self) -> dict[str, float]:
        """What the whole fleet does in a second, and what is there at any moment: by Little's law, so many begin in a
        second as last for a second."""
        calls = self.rate * self.page.calls
        traffic = 2 * calls * self.page.size + (self.rate + calls) * self.overhead
        return {
            "requests per second": self.rate,
            "upstream calls per second": calls,
            "packets per second": (self.rate + calls) * self.packets,
            "Mbit/s, in and out": traffic * 8e-3,
            "requests in flight": self.rate * self.wait,
            "calls in flight, a connection each": calls * self.wait,
            "MB for them": calls * self.wait * self.call_memory / 1e6,
            "connections to an upstream that stalls": self.workers * self.bulkhead,
            "failures until all know that it is broken": self.workers * self.consecutive,
            "probes of it per second": self.workers / self.open,
            "retries per second of it, at least": self.workers * self.retries,
        }

    def shares(self, whole: float) -> tuple[float, float, float]:
        """Of what the fleet has: a worker's part, a machine's, all."""
        worker = whole / self.workers
        return worker, worker * self.cores, whole
