"""From a host to a connected socket, bounded in total: looking up, connecting and TLS share one deadline."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from errno import EAGAIN, EINPROGRESS
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import AF_UNIX, IPPROTO_TCP, SO_ERROR, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY
from ssl import SSLContext
from typing import Any

from fastdag.concurrency import original, sleep
from fastdag.deadline import now
from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.upstream.call import Host
from fastdag.upstream.transport.resolve import Address, Names
from fastdag.upstream.transport.tls import handshake
from fastdag.upstream.transport.waiting import WRITE, wait_ready

__all__ = ["Connector"]

_Socket = original("socket", "socket")
# How long to stand back from a Unix socket whose backlog is full: the kernel has no event for it.
_FULL = 0.005


class Connector:
    """Makes connections for one pool."""

    __slots__ = ("_context", "_names", "_refused")

    def __init__(
        self, names: Names, context: Callable[[], SSLContext], refused: Sequence[IPv4Network | IPv6Network]
    ) -> None:
        self._names = names
        self._context = context
        self._refused = refused

    def connect(self, host: Host, deadline: float) -> Any:
        """A connected, non-blocking socket, or one with TLS around it."""
        if host.scheme == "unix":
            return _connected(AF_UNIX, host.name, deadline)
        sock = self._connect_any(host, deadline)
        if host.scheme == "http":
            return sock
        try:
            return handshake(sock, self._context(), host.name, deadline=deadline)
        except BaseException:
            sock.close()
            raise

    def close(self) -> None:
        self._names.close()

    def _connect_any(self, host: Host, deadline: float) -> Any:
        """Try one address after the other. Each has an equal share of what is left, or a dead first one would take
        it all."""
        addresses = [found for found in self._names.find(host.name, deadline) if not self._is_refused(found)]
        if not addresses:
            raise UpstreamConnectError(f"{host.name} has only addresses that are refused", hopeless=True)
        for number, address in enumerate(addresses):
            left = len(addresses) - number
            try:
                sock = _connected(
                    address[0], _with_port(address, host.port), now() + max(0.0, deadline - now()) / left
                )
            except (UpstreamConnectError, UpstreamTimeout):
                if left == 1:
                    raise
                continue
            if number:
                self._names.prefer(host.name, address)
            return sock
        raise AssertionError("unreachable")

    def _is_refused(self, address: Address) -> bool:
        if not self._refused:
            return False
        found = ip_address(address[1][0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self._refused)


def _with_port(address: Address, port: int) -> tuple[Any, ...]:
    name, _, *rest = address[1]
    return (name, port, *rest)


def _connected(family: int, address: Any, deadline: float) -> Any:
    try:
        sock = _Socket(family, SOCK_STREAM)
    except OSError as error:  # no descriptor is left
        raise UpstreamConnectError(f"cannot open a socket: {error}") from error
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address)
        while code == EAGAIN and now() < deadline:
            sleep(_FULL)
            code = sock.connect_ex(address)
        if code == EAGAIN:
            raise UpstreamTimeout(f"{address} takes no connections")
        if code == EINPROGRESS:
            wait_ready(sock.fileno(), WRITE, deadline, "connecting")
            code = sock.getsockopt(SOL_SOCKET, SO_ERROR)
        if code:
            raise UpstreamConnectError(f"cannot connect to {_name(address)}: {os.strerror(code)}")
        if family != AF_UNIX:
            sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    except OSError as error:
        sock.close()
        if isinstance(error, (UpstreamConnectError, UpstreamTimeout)):
            raise
        raise UpstreamConnectError(f"cannot connect to {_name(address)}: {error}") from error
    except BaseException:
        sock.close()
        raise
    return sock


def _name(address: Any) -> str:
    if isinstance(address, str):
        return address
    return f"[{address[0]}]:{address[1]}" if len(address) > 2 else f"{address[0]}:{address[1]}"
