"""Whom we believe: what a peer may say about the client behind it, and about the time that is left.

Headers like `X-Forwarded-For` and `Fastdag-Deadline` can be written by anybody. They count only when the connection
itself comes from an address that was declared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

__all__ = ["Trust"]


class Trust:
    """The peers that are believed: addresses, networks (`"10.0.0.0/8"`), or `"unix"` for a Unix socket."""

    __slots__ = ("_deadline_key", "_networks", "_unix", "has")

    def __init__(self, trusted: Iterable[str] = (), *, deadline_header: str = "Fastdag-Deadline") -> None:
        if isinstance(trusted, str):
            raise TypeError(f"trusted takes a collection of addresses and networks: trusted=({trusted!r},)")
        names = tuple(trusted)
        self._unix = "unix" in names
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(name, strict=False) for name in names if name != "unix"
        )
        self._deadline_key = "HTTP_" + deadline_header.upper().replace("-", "_")
        # Parsing an address costs some microseconds, and a proxy connects from few of them.
        self.has = lru_cache(maxsize=1024)(self._has)

    def _has(self, address: str) -> bool:
        if not address:
            return self._unix
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)

    def seconds_left(self, environ: Mapping[str, Any], limit: float | None) -> float | None:
        """How long the answer may take: the route's limit, or less if a trusted peer says so.

        The header holds seconds (`0.25`). What is no number is ignored; the rest is clamped to [0, limit].
        """
        said = environ.get(self._deadline_key)
        if said is None or not self.has(environ.get("REMOTE_ADDR", "")):
            return limit
        try:
            seconds = float(said)
        except ValueError:
            return limit
        if math.isnan(seconds):
            return limit
        seconds = max(0.0, seconds)
        return seconds if limit is None else min(seconds, limit)

    def client(self, environ: Mapping[str, Any]) -> str:
        """The address of the client: of the peer, or, behind trusted ones, the right-most that is not trusted.

        Only the right end of `X-Forwarded-For` was written by somebody we know; a client can send any beginning.
        """
        address: str = environ.get("REMOTE_ADDR", "")
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")
        while hops and self.has(address):
            hop = hops.pop().strip()
            try:
                address = str(ip_address(hop))
            except ValueError:
                break
        return address
