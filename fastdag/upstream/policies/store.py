"""Where a cache keeps its bytes: the interface, and the store in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from fastdag.upstream.site import Site

__all__ = ["MemoryStore", "Store", "StoreOptions"]

_OVERHEAD = 512  # bytes that Python adds to an entry, about


class StoreOptions(Protocol):
    """What makes the store of one upstream."""

    def bind(self, site: Site) -> Store: ...


class Store(Protocol):
    """A place for bytes, found by target and variant, both of them hashes. The base class of stores of your own.

    A store on the network is shared by upstreams of the same name in many processes. It answers quickly and raises
    nothing: what it cannot find or reach is not there. What is bound by default is the store itself, which then
    belongs to one upstream.
    """

    __slots__ = ()

    def bind(self, site: Site) -> Store:
        return self

    def get(self, target: str, variant: str) -> bytes | None: ...

    def set(self, target: str, variant: str, value: bytes, seconds: float, since: float) -> None:
        """Keep a value, for so many seconds at most. It was asked for at `since`, by the calendar: a store that others
        purge does not give away what was asked for before that."""

    def delete(self, target: str | None = None, variant: str | None = None) -> None:
        """Forget one variant, or all variants of a target, or everything."""

    def claim(self, target: str, variant: str, seconds: float) -> bool:
        """Whether to refresh a value here: yes for one of all who ask, until it was set or the time is over."""
        return True

    def describe(self) -> dict[str, Any]: ...

    def close(self) -> None:
        """Give back connections, which this one has none of."""
        return


class MemoryStore(Store):
    """Entries in this process, bounded by bytes and by number; the longest unused goes first.

    A value larger than an eighth of the room is not kept: it would push out many for one.
    """

    __slots__ = ("_by_target", "_bytes", "_clock", "_entries", "_max_bytes", "_max_entries")

    def __init__(self, max_bytes: int, max_entries: int, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], tuple[bytes, float]] = OrderedDict()
        self._by_target: dict[str, set[str]] = {}

    def get(self, target: str, variant: str) -> bytes | None:
        key = (target, variant)
        found = self._entries.get(key)
        if found is None:
            return None
        value, until = found
        if self._clock() >= until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def set(self, target: str, variant: str, value: bytes, seconds: float, since: float = 0.0) -> None:
        key = (target, variant)
        self._drop(key)
        size = len(value) + _OVERHEAD
        if size > self._max_bytes // 8:
            return
        self._entries[key] = (value, self._clock() + seconds)
        self._by_target.setdefault(target, set()).add(variant)
        self._bytes += size
        while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def delete(self, target: str | None = None, variant: str | None = None) -> None:
        if target is None:
            self._entries.clear()
            self._by_target.clear()
            self._bytes = 0
            return
        for one in [variant] if variant is not None else list(self._by_target.get(target, ())):
            self._drop((target, one))

    def _drop(self, key: tuple[str, str]) -> None:
        found = self._entries.pop(key, None)
        if found is None:
            return
        self._bytes -= len(found[0]) + _OVERHEAD
        target, variant = key
        variants = self._by_target[target]
        variants.discard(variant)
        if not variants:
            del self._by_target[target]

    def describe(self) -> dict[str, Any]:
        return {"entries": len(self._entries), "bytes": self._bytes}
