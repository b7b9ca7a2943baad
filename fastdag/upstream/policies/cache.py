"""The cache: answers of an upstream that may be given again, to whoever sends the same."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Any

import msgspec

from fastdag.concurrency import spawn
from fastdag.context import SCOPE
from fastdag.errors import StaleAnswer, UpstreamError
from fastdag.upstream.call import Call, Headers, Response, Send
from fastdag.upstream.policies.checks import check_count, check_positive
from fastdag.upstream.policies.fields import seconds
from fastdag.upstream.policies.identity import key_of, target_of
from fastdag.upstream.policies.storable import Lifetime, cacheable, lifetime
from fastdag.upstream.policies.store import MemoryStore, Store, StoreOptions
from fastdag.upstream.site import Chance, Site

__all__ = ["Cache", "Entry", "Vault"]

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_ERRORS = (500, 502, 503, 504)  # RFC 5861 §4
_CLAIM = 2.0  # seconds for which a refresh is one process' business, where the upstream has no timeout
_REFRESHES = 16  # at once, per upstream: what is refreshed is served stale meanwhile, so there is no hurry


@dataclass(frozen=True, slots=True)
class Cache:
    """Keeps answers for `ttl` seconds; `None` leaves it to the upstream's `Cache-Control` and `Expires`, 0 is off.

    The rules are those of a shared cache (RFC 9111), and hold under a `ttl` of our own too: only whole answers with
    status 200, nothing with `Set-Cookie`, `private`, `no-store`, `no-cache` or `Vary: *`. The key holds every header
    that is sent, and so a hash of every credential. A successful POST, PUT, PATCH or DELETE drops its target.

    Within `stale_while_revalidate` seconds after its end an answer is served once more and refreshed behind; within
    `stale_if_error` seconds it stands in for a failure, an open breaker, or a body that claims to be JSON and is not.
    `None` leaves both to the upstream. `ttl` varies by 10 % by lot, so that what was stored together does not end
    together. What is served from the cache carries `Age` and `Cache-Status` (RFC 9211); a negative `ttl` says stale.

    It is bounded by `max_bytes` and `max_entries`, or kept in a `store`: `fastdag.upstream.policies.redis`, or a
    `fastdag.upstream.policies.store.Store` of your own.
    It stands above everything else: a stored answer needs no slot, no budget and no host.
    """

    ttl: float | None = None
    stale_while_revalidate: float | None = None
    stale_if_error: float | None = None
    max_bytes: int = 32 << 20
    max_entries: int = 10_000
    store: StoreOptions | None = None

    def __post_init__(self) -> None:
        for name in ("ttl", "stale_while_revalidate", "stale_if_error"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name), zero=True)
        check_count("max_bytes", self.max_bytes)
        check_count("max_entries", self.max_entries)

    def bind(self, site: Site, send: Send) -> Send:
        return send if self.ttl == 0 else _Layer(self, site, send).send

    def store_for(self, site: Site) -> Store:
        return (
            MemoryStore(self.max_bytes, self.max_entries, site.clock) if self.store is None else self.store.bind(site)
        )


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One answer as it is stored: bytes, so that nobody can change what others will get."""

    headers: list[tuple[str, str]]
    content: bytes
    url: str
    born: float  # by the calendar: when the upstream made it, as far as it says
    fresh_until: float
    while_revalidate: float
    if_error: float

    def response(self, now: float) -> Response:
        headers = [header for header in self.headers if header[0].lower() not in ("age", "cache-status")]
        headers.append(("Age", str(max(0, int(now - self.born)))))
        headers.append(("Cache-Status", f"fastdag; hit; ttl={floor(self.fresh_until - now)}"))
        return Response(200, Headers(headers), self.content, url=self.url)


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Entry)


def _decode(stored: bytes | None) -> Entry | None:
    """What was stored; nothing, if it was stored by a version with other entries."""
    if stored is None:
        return None
    try:
        return _decoder.decode(stored)
    except msgspec.DecodeError:
        return None


class Vault:
    """The stored answers of one upstream, those that are on their way, and the refreshes among these."""

    __slots__ = ("_asked", "refreshes", "store")

    def __init__(self, store: Store) -> None:
        self.store = store
        self._asked: dict[tuple[str, str], object] = {}
        self.refreshes: dict[tuple[str, str], Any] = {}

    def ask(self, key: tuple[str, str]) -> object:
        """An answer is asked for: a mark, which `purge` takes away. Who asks for the same meanwhile shares it."""
        return self._asked.setdefault(key, object())

    def answered(self, key: tuple[str, str], mark: object) -> bool:
        """Whether nothing was purged since the mark was set; the first to be answered stores for all."""
        if self._asked.get(key) is not mark:
            return False
        del self._asked[key]
        return True

    def purge(self, target: str | None = None) -> None:
        """Forget a target (`/products/42?full=1`) in all its variants, or everything; what is on its way, too."""
        gone = None if target is None else target_of(target)
        for key in [key for key in self._asked if gone is None or key[0] == gone]:
            del self._asked[key]
        self.store.delete(gone)

    def close(self) -> None:
        """End the refreshes, and leave the store."""
        for refresh in list(self.refreshes.values()):
            refresh.kill(block=False)
        self.store.close()

    def describe(self) -> dict[str, Any]:
        return {**self.store.describe(), "refreshing": len(self.refreshes)}


class _Layer:
    __slots__ = ("_options", "_send", "_site", "_vault")

    def __init__(self, options: Cache, site: Site, send: Send) -> None:
        self._options = options
        self._site = site
        self._send = send
        self._vault = site.keep("cache", lambda: Vault(options.store_for(site)))

    def send(self, call: Call) -> Response:
        if not cacheable(call):
            return self._pass_by(call)
        key = key_of(call)
        entry = _decode(self._vault.store.get(*key))
        if entry is None:
            self._tell("cache.miss")
            return self._fetch(call, key)
        now = self._site.wall()
        if now < entry.fresh_until:
            self._tell("cache.hit", age=now - entry.born)
            return entry.response(now)
        if now < entry.fresh_until + entry.while_revalidate:
            self._refresh(call, key)
            return self._stale(entry, now, "revalidating")
        self._tell("cache.miss")
        return self._fetch(call, key, entry)

    def _pass_by(self, call: Call) -> Response:
        """A call that is not for the cache. If it changed something, what is stored is old (RFC 9111 §4.4)."""
        response = self._send(call)
        if call.method not in _SAFE and response.status_code < 400:
            self._vault.purge(call.target)
        return response

    def _fetch(self, call: Call, key: tuple[str, str], old: Entry | None = None) -> Response:
        mark, since = self._vault.ask(key), self._site.wall()
        try:
            response = self._send(call)
        except UpstreamError as error:
            if old is None or not self._may_stand_in(old):
                raise
            return self._stand_in(old, error)
        finally:
            current = self._vault.answered(key, mark)
        failure = _failure(response)
        if failure is not None:
            return response if old is None or not self._may_stand_in(old) else self._stand_in(old, failure)
        if current:
            self._keep(call, key, response, since)
        return response

    def _may_stand_in(self, old: Entry) -> bool:
        return self._site.wall() < old.fresh_until + old.if_error

    def _stand_in(self, old: Entry, error: UpstreamError) -> Response:
        """Give an old answer in place of a failure, and leave word of it in the run: its answer is not complete."""
        site = self._site
        scope = SCOPE.get()
        if scope is not None:
            stale = StaleAnswer(f"an old answer stands in for: {error}", reason=error.reason, upstream=site.name)
            stale.__cause__ = error
            scope.gave_stale(stale)
        return self._stale(old, site.wall(), "error")

    def _keep(self, call: Call, key: tuple[str, str], response: Response, since: float) -> None:
        """Store an answer; one that may not be stored still says that an older one is over."""
        options, now = self._options, self._site.wall()
        life = lifetime(
            call,
            response,
            now,
            ttl=options.ttl,
            while_revalidate=options.stale_while_revalidate,
            if_error=options.stale_if_error,
        )
        if life is None:
            self._vault.store.delete(*key)
            return
        life = _jittered(life, self._site.random, ours=options.ttl is not None)
        entry = Entry(
            response.headers.raw,
            response.content,
            response.url,
            now - (seconds(response.headers.get("age")) or 0),
            now + life.fresh,
            life.while_revalidate,
            life.if_error,
        )
        self._vault.store.set(*key, _encode(entry), life.total, since)

    def _stale(self, entry: Entry, now: float, why: str) -> Response:
        self._tell("cache.stale", age=now - entry.born, why=why)
        return entry.response(now)

    def _refresh(self, call: Call, key: tuple[str, str]) -> None:
        """Ask again in the background, one at a time for each key. The caller's deadline is not the refresh's."""
        refreshes = self._vault.refreshes
        if key in refreshes or len(refreshes) >= _REFRESHES:
            return
        again = call.again()
        again.deadline = None
        refreshes[key] = runner = spawn(self._fetch_behind, again, key)
        runner.link(lambda _: refreshes.pop(key, None))

    def _fetch_behind(self, call: Call, key: tuple[str, str]) -> None:
        store, site = self._vault.store, self._site
        if not store.claim(*key, site.timeout or _CLAIM):
            return
        entry = _decode(store.get(*key))
        if entry is not None and site.wall() < entry.fresh_until:
            return  # another process has been faster
        try:
            self._fetch(call, key)
        except UpstreamError:
            pass  # the breaker and the events have seen it, and the stale answer was served

    def _tell(self, event: str, **more: Any) -> None:
        site = self._site
        if site.instruments.active:
            site.instruments.emit(event, upstream=site.name, **more)


def _jittered(life: Lifetime, random: Chance, *, ours: bool) -> Lifetime:
    """What the upstream grants is only ever shortened."""
    return life._replace(fresh=life.fresh * random.uniform(0.9, 1.1 if ours else 1.0))


def _failure(response: Response) -> UpstreamError | None:
    """The failure that an answer is, for whoever has an older one: a status, or a body that claims to be JSON and is
    not. Other bodies are not looked into."""
    try:
        if response.status_code in _ERRORS:
            response.raise_for_status()
        elif "json" in response.headers.get("content-type", ""):
            response.json()
    except UpstreamError as error:
        return error
    return None
