"""What a user may set on the native transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from ssl import SSLContext

from fastdag.deadline import Seconds, check_seconds

__all__ = ["Options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be set on a `NativeTransport`. Times are in seconds; `None` means no limit.

    - `connect_timeout`: for looking up, connecting and TLS in all, however many addresses there are; never beyond the
      call's deadline.
    - `idle`, `max_age`: how long a connection may be unused, and open (give or take a tenth). `reuse=False` makes one
      for every call.
    - `verify`, `cert`: whom to trust and who to be, see `tls.make_context`. No environment variable changes it.
    - `max_headers`, `max_header_bytes`, `max_interim`: what an answer may have of each. Its body is bounded by the
      call's `max_bytes`, on the wire and decoded.
    - `dns_ttl`, `dns_stale`: how long addresses are used, and for how much longer if they cannot be looked up again.
      `nameservers` (`"10.0.0.2"`) are asked instead of the system's, `resolve(name) -> addresses` instead of DNS.
    - `refuse`: networks (`"169.254.0.0/16"`) that no connection is made to, whatever a name resolves to.
    """

    connect_timeout: Seconds | None = 0.5
    idle: Seconds | None = 4.0
    max_age: Seconds | None = 300.0
    reuse: bool = True
    verify: bool | str | SSLContext = True
    cert: str | tuple[str, ...] | None = None
    max_headers: int = 100
    max_header_bytes: int = 64 << 10
    max_interim: int = 10
    dns_ttl: Seconds = 5.0
    dns_stale: Seconds = 60.0
    nameservers: Sequence[str] = ()
    nameserver_port: int = 53
    resolve: Callable[[str], Sequence[str]] | None = None
    refuse: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "idle", "max_age"):
            check_seconds(name, getattr(self, name))
        for name in ("dns_ttl", "dns_stale"):
            check_seconds(name, getattr(self, name), zero=True)
        for name in ("max_headers", "max_header_bytes", "max_interim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)!r}")
        self.refused_networks()

    def refused_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks that no connection may be made to."""
        return tuple(ip_network(network) for network in self.refuse)
