"""Gunicorn's stream handlers get a `Pump` for a stream, so that a log that nobody reads holds up no request."""

from __future__ import annotations

import logging
from typing import Any

from fastdag.observe.pump import Pump, has_descriptor

__all__ = ["Pumps"]

_LOGGERS = ("gunicorn.error", "gunicorn.access")


class Pumps:
    """The pumps of a process, one per stream, put into gunicorn's handlers and taken out again."""

    def __init__(self) -> None:
        self._pumps: list[Pump] = []
        self.install()

    def install(self) -> None:
        """Also after gunicorn has reopened its files: those handlers have a new stream then."""
        self._pumps = [pump for pump in self._pumps if not pump.closed]
        for handler in _handlers():
            stream = handler.stream
            if not isinstance(stream, Pump) and has_descriptor(stream):
                handler.stream = next((pump for pump in self._pumps if pump.stream is stream), None) or Pump(stream)
                self._pumps.append(handler.stream)

    def write(self, text: str) -> None:
        """To the error log, from any thread, past `logging` and its locks, which the blocked one may hold."""
        for handler in _handlers(_LOGGERS[:1]):
            if isinstance(handler.stream, Pump):
                handler.stream.write(text)

    def close(self) -> None:
        """Write what waits; where that works, the handlers get their streams back."""
        for handler in _handlers():
            pump = handler.stream
            if isinstance(pump, Pump) and pump.drain(0.3):
                handler.stream = pump.stream


def _handlers(loggers: tuple[str, ...] = _LOGGERS) -> list[Any]:
    found = [handler for name in loggers for handler in logging.getLogger(name).handlers]
    return [handler for handler in found if isinstance(handler, logging.StreamHandler)]
