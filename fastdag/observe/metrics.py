"""Metrics for Prometheus, right under any number of workers. Needs the extra `metrics`."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from fastdag.concurrency import get_hub
from fastdag.events import Instrument
from fastdag.observe.counts import Counts
from fastdag.observe.families import BOUNDS, COUNTER, FAMILIES, GAUGE, HISTOGRAM
from fastdag.observe.share import Numbers, Share, add

__all__ = ["DIRECTORY", "Metrics"]

#: The environment variable that names the directory which the workers of a service share.
DIRECTORY = "FASTDAG_METRICS_DIR"

log = logging.getLogger("fastdag.metrics")

_LIMITS = [*map(str, BOUNDS), "+Inf"]

_FAMILIES = {COUNTER: CounterMetricFamily, GAUGE: GaugeMetricFamily, HISTOGRAM: HistogramMetricFamily}

_GAUGES = frozenset(family.name for family in FAMILIES.values() if family.kind == GAUGE)


class Metrics:
    """Counts requests, runs, nodes, upstream attempts and what policies do; `/metrics` serves it with `App(ops=True)`.

        app = App(observe=[Metrics()], ops=True)

    - `directory`: where workers add up their numbers, so that any of them can answer for all. If it is not given, the
      environment's `FASTDAG_METRICS_DIR`; without that, a process counts for itself. It should be new at every
      start of the service, and in memory (`/dev/shm`); gunicorn's configuration file is the place to make it.
    - `interval`: seconds between two writings; the numbers of other workers are so old at most.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None, *, interval: float = 1.0) -> None:
        self._directory = directory
        self._interval = interval
        self._counts = Counts()
        self._share: Share | None = None
        self._timer: Any = None

    def events(self) -> dict[str, Instrument]:
        return self._counts.events()

    def start(self) -> None:
        """Begin to share, in the process that calls this."""
        directory = self._directory or os.environ.get(DIRECTORY)
        if directory and self._share is None:
            self._share = Share(directory, passing=_GAUGES)
            self._timer = get_hub().loop.timer(self._interval, self._interval, ref=False)
            self._timer.start(self._write)

    def stop(self) -> None:
        """Leave the numbers to the other workers, and those to come."""
        if self._share is not None:
            self._timer.stop()
            self._timer.close()
            self._write()
            self._share.leave()
            self._share = None
            self._counts.clear()

    def _write(self) -> None:
        assert self._share is not None
        try:
            self._share.write(self._own())
        except OSError as error:  # a full disk, say: the numbers are all there at the next attempt
            log.warning("metrics could not be written: %s", error)

    def _own(self) -> Numbers:
        numbers: Numbers = {}
        for key, values in self._counts.items():
            add(numbers, {key: values})
        return numbers

    def numbers(self) -> Numbers:
        """All series, of all workers: counters and gauges have one number, histograms counts per bound and a sum."""
        numbers = self._own()
        if self._share is not None:
            add(numbers, self._share.others())
        return numbers

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """What `/metrics` says, in the format that suits an Accept header, and its media type."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self.numbers()))
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


class _Collector:
    """Numbers in prometheus_client's terms."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for (name, *labels), numbers in sorted(self._numbers.items()):
            family = FAMILIES[name]
            metric: Any = found.get(name)
            if metric is None:
                metric = found[name] = _FAMILIES[family.kind](name, family.help, labels=family.labels)
            if family.kind == HISTOGRAM:
                *counts, total = numbers
                metric.add_metric(labels, list(zip(_LIMITS, accumulate(counts), strict=True)), total)
            else:
                metric.add_metric(labels, numbers[0])
        yield from found.values()
