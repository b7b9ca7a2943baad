"""A cache's store that all workers on all machines share: Redis or Valkey. Needs the extra `redis`.

Nothing here may fail a request, or hold it up for long. Every operation has one small total time, connecting
included; what does not end within it is given up together with its connection. After some failures in a row nobody
asks any more, but for one operation now and then that finds out whether the server is back.

Entries are never searched for. A purge writes down when it was, and what was asked for before that is not there any
more: `get` reads an entry and both purges (of its target, of everything) in one command.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from fastdag.concurrency import Timeout, get_hub
from fastdag.context import SCOPE
from fastdag.upstream.policies.checks import check_count, check_positive
from fastdag.upstream.policies.store import Store
from fastdag.upstream.site import Site

__all__ = ["RedisStore"]

T = TypeVar("T")

_SINCE = struct.Struct(">d")
_SHARE = 0.25  # of what a run has left: a store must not be what it fails by
_ENOUGH = 0.5  # of the timeout: with less, it says nothing about the server that it did not answer
_LATE = 2.0  # an operation that took so many times its timeout was held up by this process, not by the server


@dataclass(frozen=True, slots=True)
class RedisStore:
    """Keeps what a `Cache` stores in Redis or Valkey: `Cache(ttl=60, store=RedisStore("redis://cache:6379/0"))`.

    Upstreams of the same name share what is stored, in all processes that name the same server and prefix. One of
    them refreshes a stale answer, a purge holds for all, and none of them needs the server: without it calls are made.

    - `url`: `redis://`, `rediss://` (TLS) or `unix://`, with user and password if need be
    - `prefix`: what all keys begin with
    - `timeout`: seconds for one operation, in all; a call takes two, and never more than a quarter of its run's rest
    - `failures`, `open`: after so many failures in a row nothing is asked for `open` seconds, then one operation
    - `connections`: operations at the same time, per worker; what is one too many is not done
    - `max_bytes`: a larger value is not kept: sending it would take a good part of the time
    - `longest`: seconds for which anything is kept at most, and a purge remembered
    """

    url: str = field(repr=False)  # it may hold a password
    prefix: str = "fastdag"
    timeout: float = 0.05
    failures: int = 3
    open: float = 2.0
    connections: int = 64
    max_bytes: int = 1 << 20
    longest: float = 86_400.0

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("url takes an address like redis://host:6379/0, rediss://... or unix:///path")
        for name in ("timeout", "open", "longest"):
            check_positive(name, getattr(self, name))
        for name in ("failures", "connections", "max_bytes"):
            check_count(name, getattr(self, name))

    def bind(self, site: Site) -> Store:
        return _Shared(self, site)

    @property
    def address(self) -> str:
        """The server without its credentials."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"


class _Fuse:
    """Whether it is worth asking. When it has blown, one is let through every `seconds`, to find out."""

    __slots__ = ("_clock", "_limit", "_seconds", "_until", "failures")

    def __init__(self, limit: int, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._until = 0.0
        self.failures = 0  # in a row

    @property
    def blown(self) -> bool:
        return self.failures >= self._limit

    def lets_through(self) -> bool:
        if self.blown:
            if self._clock() < self._until:
                return False
            self._until = self._clock() + self._seconds
        return True

    def failed(self) -> None:
        self.failures += 1
        self._until = self._clock() + self._seconds


class _Shared(Store):
    """The store of one upstream, in one process."""

    __slots__ = ("_base", "_clients", "_flying", "_fuse", "_options", "_site", "failed", "skipped")

    def __init__(self, options: RedisStore, site: Site) -> None:
        self._options = options
        self._site = site
        self._base = f"{options.prefix}:1:{site.name}"  # 1: the format of the entries
        self._fuse = _Fuse(options.failures, options.open, site.clock)
        self._clients: WeakKeyDictionary[Any, Redis] = WeakKeyDictionary()  # by loop, which sockets belong to
        self._flying = 0
        self.failed = 0
        self.skipped = 0

    def get(self, target: str, variant: str) -> bytes | None:
        keys = (f"{self._base}:{target}:{variant}", f"{self._base}:purged:{target}", f"{self._base}:purged")
        found: list[Any] = self._ask("get", lambda client: client.mget(keys), [None, None, None])
        stored, *purges = found
        # Which entry it is stands in it, too: should an answer ever reach somebody else's question, it is not taken.
        head = _head(target, variant)
        if stored is None or not stored.startswith(head):
            return None
        (since,) = _SINCE.unpack_from(stored, len(head))
        if any(purged is not None and since <= float(purged) for purged in purges):
            return None
        value: bytes = stored[len(head) + _SINCE.size :]
        return value

    def set(self, target: str, variant: str, value: bytes, seconds: float, since: float) -> None:
        if len(value) > self._options.max_bytes:
            return
        key, claim = f"{self._base}:{target}:{variant}", f"{self._base}:claim:{target}:{variant}"
        stored = _head(target, variant) + _SINCE.pack(since) + value

        def write(client: Redis) -> None:
            pipeline = client.pipeline(transaction=False)
            pipeline.set(key, stored, px=_milliseconds(min(seconds, self._options.longest)))
            pipeline.delete(claim)
            pipeline.execute()

        self._ask("set", write, None)

    def delete(self, target: str | None = None, variant: str | None = None) -> None:
        if variant is not None:
            key = f"{self._base}:{target}:{variant}"
            self._ask("delete", lambda client: client.delete(key), None)
            return
        purged = f"{self._base}:purged" if target is None else f"{self._base}:purged:{target}"
        now, longest = repr(self._site.wall()), _milliseconds(self._options.longest)
        self._ask("delete", lambda client: client.set(purged, now, px=longest), None)

    def claim(self, target: str, variant: str, seconds: float) -> bool:
        key = f"{self._base}:claim:{target}:{variant}"
        return self._ask("claim", lambda client: bool(client.set(key, b"", nx=True, px=_milliseconds(seconds))), True)

    def describe(self) -> dict[str, Any]:
        reachable = not self._fuse.blown
        return {
            "server": self._options.address,
            "reachable": reachable,
            "failed": self.failed,
            "skipped": self.skipped,
        }

    def close(self) -> None:
        for client in list(self._clients.values()):
            client.close()
        self._clients.clear()

    def _ask(self, operation: str, ask: Callable[[Redis], T], otherwise: T) -> T:
        """What the server says, or `otherwise` if it does not in time, or is not asked."""
        seconds = self._patience()
        if seconds <= 0 or self._flying >= self._options.connections or not self._fuse.lets_through():
            self.skipped += 1
            return otherwise
        self._flying += 1
        began = self._site.clock()
        timer = Timeout.start_new(seconds)
        try:
            answer = ask(self._client())
            self._fuse.failures = 0
            return answer
        except Timeout as fired:
            if fired is not timer:
                raise
            # Its time is no measure of the server if the run had too little left, or if the loop stood still.
            patient = seconds >= _ENOUGH * self._options.timeout and self._site.clock() - began < _LATE * seconds
            self._note(operation, "timeout", fatal=patient)
        except Exception as error:  # whatever it is: the library meets what a server, or something else, says
            self._note(operation, *_verdict(error))
        finally:
            timer.close()
            self._flying -= 1
        return otherwise

    def _patience(self) -> float:
        scope = SCOPE.get()
        seconds = self._options.timeout
        if scope is None or scope.deadline is None:
            return seconds
        return min(seconds, (scope.deadline - self._site.clock()) * _SHARE)

    def _note(self, operation: str, reason: str, fatal: bool) -> None:
        self.failed += 1
        if fatal:
            self._fuse.failed()
        if self._site.instruments.active:
            self._site.instruments.emit("store.failed", upstream=self._site.name, operation=operation, reason=reason)

    def _client(self) -> Redis:
        hub = get_hub()
        client = self._clients.get(hub)
        if client is None:
            options = self._options
            client = self._clients[hub] = Redis.from_url(
                options.url,
                socket_timeout=options.timeout,
                socket_connect_timeout=options.timeout,
                retry=Retry(NoBackoff(), 0),  # it would wait, and send twice
                max_connections=options.connections,
                protocol=2,  # nothing is pushed at us that we did not ask for
            )
        return client


def _head(target: str, variant: str) -> bytes:
    return f"{target}{variant}".encode()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _verdict(error: Exception) -> tuple[str, bool]:
    """What went wrong, and whether the next operation would meet the same."""
    if isinstance(error, (RedisTimeoutError, TimeoutError)):
        return "timeout", True
    if isinstance(error, (RedisConnectionError, OSError)):
        return "connect", True
    return "protocol", False
