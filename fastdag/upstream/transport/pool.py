"""Connections by host, for one process and one hub.

A watcher belongs to the loop it was made on and a socket to the process that opened it, so a pool does too: after a
fork, and in another native thread, there is another pool.
"""

from __future__ import annotations

from collections.abc import Callable
from socket import AF_UNSPEC, SOCK_STREAM
from ssl import SSLContext
from typing import Any

from fastdag.concurrency import get_hub, hub_resolver
from fastdag.deadline import now
from fastdag.upstream.call import Host
from fastdag.upstream.transport.connect import Connector
from fastdag.upstream.transport.host import HostPool, OnDrop
from fastdag.upstream.transport.options import Options
from fastdag.upstream.transport.process import PROCESS
from fastdag.upstream.transport.resolve import Address, Names, numeric

__all__ = ["Pool"]

# How often idle connections are looked through, in seconds, and at least four times while one may be idle.
_SWEEP = 1.0


class Pool:
    """All hosts that one process talks to from one hub."""

    __slots__ = ("_connector", "_on_drop", "_options", "_sweeper", "hosts", "hub", "pid")

    def __init__(self, options: Options, context: Callable[[], SSLContext], on_drop: OnDrop) -> None:
        self.pid = PROCESS.pid
        self.hub = get_hub()
        self.hosts: dict[str, HostPool] = {}
        self._options = options
        self._on_drop = on_drop
        names = Names(self._look_up, ttl=options.dns_ttl, stale=options.dns_stale)
        self._connector = Connector(names, context, options.refused_networks())
        self._sweeper: Any = None

    def add(self, host: Host) -> HostPool:
        """The connections to one more host."""
        found = HostPool(host, self.hub, self._options, self._connector, self._on_drop, self.sweep_later)
        self.hosts[host.url] = found
        return found

    def sweep_later(self) -> None:
        """See that idle connections are closed in time, as long as there are any."""
        if self._sweeper is None:
            seconds = min(_SWEEP, (self._options.idle or 4 * _SWEEP) / 4)
            self._sweeper = self.hub.loop.timer(seconds, seconds, ref=False)
            self._sweeper.start(self._sweep)

    def close(self, cause: str) -> None:
        """Close what is idle. Calls in flight go on, and close their connection when they end."""
        if self.hub.dead:
            for host in self.hosts.values():
                host.discard()
            return
        for host in self.hosts.values():
            host.close(cause)
        self._connector.close()
        self._stop_sweeping()
        self.hosts.clear()

    def _sweep(self) -> None:
        moment = now()
        left = [host.sweep(moment) for host in self.hosts.values()]
        if not any(left):
            self._stop_sweeping()

    def _stop_sweeping(self) -> None:
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.stop()
            sweeper.close()

    def _look_up(self, name: str) -> list[Address]:
        if self._options.resolve is not None:
            return [address for text in self._options.resolve(name) for address in numeric(text)]
        # One channel per look-up: none is left open, and a changed resolv.conf is seen. c-ares looks at its clock
        # once a second, so there is no use in a shorter timeout.
        servers: dict[str, Any] = {}
        if self._options.nameservers:
            port = self._options.nameserver_port
            servers = {"servers": list(self._options.nameservers), "udp_port": port, "tcp_port": port}
        resolver = hub_resolver(timeout=1, tries=3, **servers)
        try:
            found = resolver.getaddrinfo(name, None, AF_UNSPEC, SOCK_STREAM)
        finally:
            resolver.close()
        return [(family, address) for family, _, _, _, address in found]
