"""From names to addresses: one look-up per name at a time, kept for a while, and none at all for numeric hosts.

Look-ups go through c-ares on the loop. The usual resolver of gevent has ten threads for the whole process: with ten
look-ups stuck in them, even a numeric address takes seconds (measured: 1.95 s).

An address list is used for `ttl` seconds. After that, whoever connects next waits for a new look-up, which is how
changes are followed; if it fails, or takes half of the time there is, the old list serves for `stale` seconds more,
because a name server that is down says nothing about the upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from socket import AF_UNSPEC, AI_NUMERICHOST, SOCK_STREAM, gaierror
from typing import Any

from fastdag.concurrency import Waiter, get_hub, original, spawn
from fastdag.deadline import now
from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.upstream.transport.waiting import wait_for

__all__ = ["Address", "Names", "numeric"]

#: A family and a socket address, of which the second element is the port.
Address = tuple[int, tuple[Any, ...]]
Lookup = Callable[[str], Sequence[Address]]

_getaddrinfo = original("socket", "getaddrinfo")


def numeric(name: str) -> list[Address]:
    """The address that a numeric host is, else nothing. Never asks anybody."""
    try:
        found = _getaddrinfo(name, None, AF_UNSPEC, SOCK_STREAM, 0, AI_NUMERICHOST)
    except (gaierror, UnicodeError):
        return []
    return [(family, address) for family, _, _, _, address in found]


@dataclass(slots=True, eq=False)
class _Entry:
    addresses: Sequence[Address] = ()
    since: float = 0.0
    error: Exception | None = None
    running: Any = None
    waiters: list[Waiter] = field(default_factory=list)


class Names:
    """The names of one pool, with their addresses."""

    def __init__(self, lookup: Lookup, *, ttl: float, stale: float) -> None:
        self._lookup = lookup
        self._ttl = ttl
        self._stale = stale
        self._entries: dict[str, _Entry] = {}

    def find(self, name: str, deadline: float) -> Sequence[Address]:
        """The addresses of a host, best first; never an empty list."""
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = _Entry(numeric(name), float("inf"))
        age = now() - entry.since
        if entry.addresses and age < self._ttl:
            return entry.addresses
        usable = bool(entry.addresses) and age < self._ttl + self._stale
        try:
            self._refresh(name, entry, (now() + deadline) / 2 if usable else deadline)
        except (UpstreamTimeout, UpstreamConnectError):
            if not usable:
                raise
        return entry.addresses

    def prefer(self, name: str, address: Address) -> None:
        """Try this one first from now on: it answered when another did not."""
        entry = self._entries[name]
        entry.addresses = sorted(entry.addresses, key=lambda other: other != address)

    def close(self) -> None:
        for entry in self._entries.values():
            if entry.running is not None:
                entry.running.kill(block=False)
        self._entries.clear()

    def _refresh(self, name: str, entry: _Entry, deadline: float) -> None:
        waiter = Waiter()
        entry.waiters.append(waiter)
        if entry.running is None:
            entry.running = spawn(self._run, name, entry)
        try:
            wait_for(waiter, deadline, f"looking up {name}")
        finally:
            if waiter in entry.waiters:
                entry.waiters.remove(waiter)
        if entry.error is not None:
            raise UpstreamConnectError(f"{name} has no address: {entry.error}") from entry.error

    def _run(self, name: str, entry: _Entry) -> None:
        """The look-up, in a greenlet of its own: it outlives whoever asked first."""
        try:
            found = self._lookup(name)
            entry.error = None if found else gaierror("no address")
            if found:
                entry.addresses, entry.since = found, now()
        except Exception as error:
            entry.error = error
        finally:
            entry.running = None
            waiters, entry.waiters = entry.waiters, []
            for waiter in waiters:
                get_hub().loop.run_callback(waiter.wake)
