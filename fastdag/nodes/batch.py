"""`Batch`: loads from anywhere in a run become one call for all their keys.

A batch is sent when nothing else in the run could run right now, so that every load that can come has come: no timer,
no added latency. What waits for I/O is not waited for. After Facebook's Haxl and DataLoader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fastdag.concurrency import Waiter, getcurrent
from fastdag.context import SCOPE, Scope
from fastdag.errors import MissingValue

__all__ = ["Batch"]


class Batch:
    """A loader of many: `users = Batch(load_many, max_size=100)`, then `users.load(id)` inside any node of a run.

    `load_many(context, keys)` takes a list of distinct keys, at most `max_size` of them. It returns a mapping from key
    to value, or a list of values in the order of the keys; with `key=`, a function or a field's name that gives each
    value's key, values in any order. A value that is an exception is raised by the loads of its key; a key without
    a value raises `MissingValue`. Within a run a key is asked for once.
    """

    def __init__(
        self,
        load_many: Callable[[Any, list[Any]], Any],
        *,
        key: str | Callable[[Any], Any] | None = None,
        max_size: int = 100,
    ) -> None:
        if not callable(load_many):
            raise TypeError(f"a Batch takes a function load_many(context, keys), not {load_many!r}")
        if not isinstance(max_size, int) or isinstance(max_size, bool) or max_size < 1:
            raise TypeError(f"max_size= takes a number from 1, not {max_size!r}")
        self.load_many = load_many
        self.key = key
        self.max_size = max_size

    def load(self, key: Any) -> Any:
        """The value of one key. Blocks until the batch that it goes into is back."""
        return self._queue().take([key])[0]

    def load_all(self, keys: Iterable[Any]) -> list[Any]:
        """The values of several keys, in their order."""
        return self._queue().take(list(keys))

    def _queue(self) -> _Queue:
        scope = SCOPE.get()
        if scope is None or scope.run is None:
            raise RuntimeError("a Batch gathers the loads of one run; call load inside a node")
        kept = scope.run.kept()
        queue: _Queue | None = kept.get(self)
        if queue is None:
            queue = kept[self] = _Queue(self, scope)
        return queue

    def __repr__(self) -> str:
        return f"<Batch {getattr(self.load_many, '__name__', 'load_many')!r} of {self.max_size}>"


class _Slot:
    """One key of one run: who waits for it, then its value or its error."""

    __slots__ = ("error", "value", "waiters")

    def __init__(self) -> None:
        self.waiters: list[Waiter] | None = []
        self.value: Any = None
        self.error: BaseException | None = None

    def settle(self, value: Any, error: BaseException | None, wake: Callable[..., Any]) -> None:
        waiters, self.waiters = self.waiters, None
        self.value, self.error = value, error
        for waiter in waiters or ():
            wake(waiter.wake)


class _Queue:
    """What one batch holds for one run."""

    def __init__(self, batch: Batch, scope: Scope) -> None:
        self.batch = batch
        self.run = scope.run
        self.context = scope.context
        self.slots: dict[Any, _Slot] = {}
        self.pending: list[Any] = []
        self.flushing = False
        self.seen = 0

    def take(self, keys: list[Any]) -> list[Any]:
        slots = [self._slot(key) for key in keys]
        for slot in slots:
            if slot.waiters is not None:
                waiter = Waiter()
                slot.waiters.append(waiter)
                source = self.run.sources.get(getcurrent())
                source.park(waiter.wait) if source is not None else waiter.wait()
        for slot in slots:
            if slot.error is not None:
                raise slot.error
        return [slot.value for slot in slots]

    def _slot(self, key: Any) -> _Slot:
        slot = self.slots.get(key)
        if slot is None:
            slot = self.slots[key] = _Slot()
            self.pending.append(key)
            if not self.flushing:
                self.flushing = True
                self.run.hub.loop.run_callback(self._flush)
        return slot

    def _flush(self) -> None:
        """In the hub: send what is there, or come again while others may still add to it."""
        if self.run.over:
            return
        if self.run.runnable() or len(self.pending) != self.seen:
            self.seen = len(self.pending)
            self.run.hub.loop.run_callback(self._flush)
            return
        keys, self.pending, self.seen, self.flushing = self.pending, [], 0, False
        size = self.batch.max_size
        for start in range(0, len(keys), size):
            self.run.contextvars.copy().run(self.run.spawn, self._send, keys[start : start + size])

    def _send(self, keys: list[Any]) -> None:
        wake = self.run.hub.loop.run_callback
        try:
            found = self._match(keys, self.batch.load_many(self.context, list(keys)))
        except BaseException as failure:
            for key in keys:
                self.slots[key].settle(None, failure, wake)
            if not isinstance(failure, Exception):
                raise
            return
        for key in keys:
            value = found[key] if key in found else MissingValue(f"{self.batch!r} brought nothing for {key!r}")
            if isinstance(value, BaseException):
                self.slots[key].settle(None, value, wake)
            else:
                self.slots[key].settle(value, None, wake)

    def _match(self, keys: Sequence[Any], found: Any) -> Mapping[Any, Any]:
        by = self.batch.key
        if by is not None:
            values = list(found.values() if isinstance(found, Mapping) else found)
            return {by(value) if callable(by) else _field(value, by): value for value in values}
        if isinstance(found, Mapping):
            return found
        values = list(found)
        if len(values) != len(keys):
            raise ValueError(
                f"{self.batch!r} returned {len(values)} values for {len(keys)} keys; return one for each, or give key="
            )
        return dict(zip(keys, values, strict=True))


def _field(value: Any, name: str) -> Any:
    return value[name] if isinstance(value, Mapping) else getattr(value, name)
