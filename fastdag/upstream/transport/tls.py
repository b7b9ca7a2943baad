"""TLS by memory BIOs: OpenSSL never touches the socket, so one read watcher serves plain and encrypted connections.

What differs from a wrapped socket, and why:

- A read takes what the socket has and then all that OpenSSL makes of it. One read per readiness would leave bytes
  inside OpenSSL, where no watcher sees them.
- The end of the TCP connection is a clean end only after a close_notify (RFC 8446 §6.1); the `ssl` module's default
  takes a cut body for a whole one.
- A fresh TLS 1.3 connection becomes readable without anything to read: session tickets.
- Trust comes from the arguments, else from the CA folder that OpenSSL was built with. No environment variable
  changes it: neither REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE nor SSL_CERT_FILE and SSL_CERT_DIR.
"""

from __future__ import annotations

import os
import ssl
from socket import SHUT_RD
from typing import Any

from fastdag.errors import UpstreamConnectError
from fastdag.upstream.transport.waiting import READ, WRITE, wait_ready

__all__ = ["TLSWire", "handshake", "make_context"]

_CHUNK = 64 << 10


def make_context(verify: bool | str | ssl.SSLContext, cert: str | tuple[str, ...] | None) -> ssl.SSLContext:
    """The context for `verify` (true, false, the path of a CA bundle or folder, or a context of one's own) and `cert`
    (the path of a certificate with its key, or a tuple of both, with the password as third)."""
    if isinstance(verify, ssl.SSLContext):
        return verify
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif verify is True:
        _trust_the_system(context)
    elif os.path.isdir(verify):
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(cafile=verify)
    if cert is not None:
        context.load_cert_chain(*((cert,) if isinstance(cert, str) else cert))
    return context


def _trust_the_system(context: ssl.SSLContext) -> None:
    paths = ssl.get_default_verify_paths()  # its openssl_* fields are those without the environment
    cafile = paths.openssl_cafile if os.path.isfile(paths.openssl_cafile) else None
    capath = paths.openssl_capath if os.path.isdir(paths.openssl_capath) else None
    if cafile or capath:
        context.load_verify_locations(cafile=cafile, capath=capath)
    else:
        context.load_default_certs()


class TLSWire:
    """A socket's `send`, `recv`, `fileno` and `close`, with TLS between."""

    __slots__ = ("_ended", "_incoming", "_outgoing", "_socket", "_tls", "close", "fileno")

    def __init__(self, sock: Any, context: ssl.SSLContext, name: str) -> None:
        self._socket = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._ended = False
        self.close = sock.close
        self.fileno = sock.fileno

    def recv(self, size: int) -> bytes:
        """What can be read now, all of it; `b""` after a close_notify. Raises `BlockingIOError` like a socket."""
        data = self._socket.recv(size)
        if self._ended:
            return b""
        if not data:
            raise ConnectionResetError("the connection ended without a TLS close_notify")
        self._incoming.write(data)
        pieces = []
        try:
            while piece := self._tls.read(_CHUNK):
                pieces.append(piece)
            self._end()
        except ssl.SSLWantReadError:
            self.flush()  # an answer of TLS itself, to a key update for example
            if not pieces:
                raise BlockingIOError from None
        return b"".join(pieces)

    def _end(self) -> None:
        """A close_notify was read. The next read is to say so, even if the upstream leaves the socket open."""
        self._ended = True
        try:
            self._socket.shutdown(SHUT_RD)
        except OSError:  # it is closed already
            pass

    def send(self, data: bytes | memoryview) -> int:
        """Send a part of it; the number of bytes that were taken. Raises `BlockingIOError` like a socket."""
        if not self.flush():
            raise BlockingIOError
        count = self._tls.write(data[:_CHUNK])
        self.flush()
        return count

    def flush(self) -> bool:
        """Send what TLS has to say; whether all of it is out."""
        outgoing = self._outgoing
        while outgoing.pending:
            data = outgoing.read()
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            if sent < len(data):
                self._keep(data[sent:])
                return False
        return True

    def _keep(self, data: bytes) -> None:
        # A BIO takes bytes at its end only. This one is empty here: all of it has just been read.
        self._outgoing.write(data)

    def advance(self) -> bool:
        """One step of the handshake; whether it is done."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take_in(self) -> bool:
        """Read for the handshake; false at the end of the connection."""
        data = self._socket.recv(_CHUNK)
        self._incoming.write(data)
        return bool(data)


def handshake(sock: Any, context: ssl.SSLContext, name: str, *, deadline: float) -> TLSWire:
    """Speak TLS with a connected socket, until the deadline."""
    try:
        wire = TLSWire(sock, context, name)
        while True:
            done = wire.advance()
            while not wire.flush():
                wait_ready(sock.fileno(), WRITE, deadline, "the TLS handshake")
            if done:
                return wire
            wait_ready(sock.fileno(), READ, deadline, "the TLS handshake")
            if not wire.take_in():
                raise UpstreamConnectError("the connection was closed during the TLS handshake")
    except (OSError, ValueError) as error:
        if isinstance(error, (UpstreamConnectError, TimeoutError)):
            raise
        raise UpstreamConnectError(f"TLS: {error}", hopeless=isinstance(error, ssl.SSLError)) from error
