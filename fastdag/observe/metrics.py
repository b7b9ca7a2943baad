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

from fastdag.concurrency import Greenlet, get_hub, natively, original, spawn
from fastdag.events import Instrument
from fastdag.observe.counts import Counts
from fastdag.observe.families import BOUNDS, COUNTER, FAMILIES, GAUGE, HISTOGRAM
from fastdag.observe.share import Numbers, Share, add, encode

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
        self._warned = False
        self._writer: Greenlet[[], None] | None = None
        self._writing = original("_thread", "allocate_lock")()  # who holds it writes; native threads wait for it

    def events(self) -> dict[str, Instrument]:
        return self._counts.events()

    def start(self) -> None:
        """Begin to share, in the process that calls this."""
        directory = self._directory or os.environ.get(DIRECTORY)
        if directory and self._share is None:
            self._share = Share(directory, passing=_GAUGES)
            self._timer = get_hub().loop.timer(self._interval, self._interval, ref=False)
            self._timer.start(self._tick)

    def stop(self) -> None:
        """Leave the numbers to the other workers, and those to come."""
        if self._share is not None:
            self._timer.stop()
            self._timer.close()
            # A thread that has not begun to write finds another share, or none, and lets it be.
            share, self._share = self._share, None
            with self._writing:
                _complain(_write(share, encode(self._own())))
            share.leave()
            self._counts.clear()

    def _tick(self) -> None:
        # A disk that is slower than the interval gets the numbers less often.
        if self._writer is None or self._writer.ready():
            self._writer = spawn(self._write)

    def _write(self) -> None:
        """Write the numbers of now in a native thread: a disk may take its time, and the loop has none."""
        if self._share is not None:
            _complain(natively(self._write_unless_stopped, self._share, encode(self._own())))

    def _write_unless_stopped(self, share: Share, encoded: bytes) -> OSError | None:
        with self._writing:
            return _write(share, encoded) if self._share is share else None

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
        if self._share is None and self._counts.one_of_several and not self._warned:
            self._warned = True
            log.warning(
                "these metrics are of one worker of several: %s names no directory to add them up in", DIRECTORY
            )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self.numbers()))
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


def _write(share: Share, encoded: bytes) -> OSError | None:
    try:
        share.write(encoded)
    except OSError as error:
        return error
    return None


def _complain(error: OSError | None) -> None:
    if error is not None:  # a full disk, say: the numbers are all there at the next attempt
        log.warning("metrics could not be written: %s", error)


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
