"""fastdag's own transport: HTTP/1.1 and TLS over the gevent loop, parsed by llhttp."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from ssl import SSLContext
from typing import Any

from fastdag.concurrency import get_hub
from fastdag.errors import UpstreamConnectError
from fastdag.events import Instruments
from fastdag.upstream.call import Call, Host, Response
from fastdag.upstream.transport.host import HostPool
from fastdag.upstream.transport.options import Options
from fastdag.upstream.transport.pool import Pool
from fastdag.upstream.transport.process import PROCESS
from fastdag.upstream.transport.tls import make_context

__all__ = ["NativeTransport"]


class NativeTransport:
    """Sends calls over connections of its own, kept by host. Greenlets and threads may share one.

        transport = NativeTransport(connect_timeout=0.2, verify="ca.pem")

    The options are those of `Options`. `dropped` counts the connections that were closed, by cause; `instruments` is
    told of each (`connection.dropped`). Its `repr` says how many there are: `<NativeTransport [1 active, 3 idle]>`.
    """

    def __init__(self, *, instruments: Instruments | None = None, **options: Any) -> None:
        self.dropped: Counter[str] = Counter()
        self.instruments = instruments or Instruments()
        self._options = Options(**options)
        self._pools: list[Pool] = []
        self._pool: Pool | None = None

    def send(self, call: Call) -> Response:
        """One attempt: from the look-up of the host to the last decoded byte, until the call's deadline."""
        host = call.host
        if host is None:
            raise UpstreamConnectError("the call has no host to go to")
        pool = self._pool
        if pool is None or pool.hub is not get_hub() or pool.pid != PROCESS.pid:
            pool = self._pool = self._enter()
        return (pool.hosts.get(host.url) or pool.add(host)).send(call)

    def pool(self, host: Host) -> HostPool | None:
        """The connections to a host, if this process and hub have had any."""
        pool = self._pool
        if pool is None or pool.hub is not get_hub() or pool.pid != PROCESS.pid:
            return None
        return pool.hosts.get(host.url)

    def close(self) -> None:
        """Close the connections that nobody uses. Those of other threads end by their idle limit."""
        hub = get_hub()
        for pool in self._living():
            if pool.hub is hub:
                pool.close("transport_closed")
                self._pools.remove(pool)
        self._pool = None

    def __repr__(self) -> str:
        hosts = [host for pool in list(self._pools) for host in list(pool.hosts.values())]
        active, idle = sum(host.active for host in hosts), sum(host.idle for host in hosts)
        return f"<{type(self).__name__} [{active} active, {idle} idle]>"

    @cached_property
    def _context(self) -> SSLContext:
        return make_context(self._options.verify, self._options.cert)

    def _enter(self) -> Pool:
        """The pool of this process and hub."""
        hub = get_hub()
        for pool in self._living():
            if pool.hub is hub:
                return pool
        pool = Pool(self._options, lambda: self._context, self._on_drop)
        self._pools.append(pool)
        return pool

    def _living(self) -> list[Pool]:
        """The pools that are of use, after closing those that a fork or the end of a thread left behind."""
        for pool in list(self._pools):
            if pool.pid != PROCESS.pid or pool.hub.dead:
                self._pools.remove(pool)
                pool.close("forked")
        return list(self._pools)

    def _on_drop(self, host: Host, cause: str) -> None:
        self.dropped[cause] += 1
        if self.instruments.active:
            self.instruments.emit("connection.dropped", host=host.url, cause=cause)
