"""`requests` as a transport: slow, but it brings adapters, proxies and authentication.

What it gets wrong, and what is done about it here:

- Its timeouts are per socket operation, so a body, a header block or a row of `100 Continue` that drips outlives them
  (FAULTS U07, U08, U09), and resolving a name is not bounded at all: a `gevent.Timeout` bounds the whole call. That
  needs patched sockets.
- `connect_timeout` holds per address of a name, not for all of them; it holds together with what is left of the call.
- It takes `103 Early Hints` for the answer (U10), and leaves the real one on the connection for whoever calls next:
  an interim status closes the connection and fails the call.
- A body's whole chunk is read before its size is looked at: up to `PIECE` bytes may be decoded beyond the limit.
- `Session.send` keeps cookies, reads `NETRC` and the proxy variables, and looks into `Location` even where redirects
  are off (X02, U31): requests are prepared and sent through the session's adapter without it.

What stays wrong: no maximum age or idle limit for connections (U42, U43, U46); bytes after a complete answer go
unnoticed, though nobody sees them (U13); a half-read connection is never used again; a streamed body that declares its
length comes in pieces of `PIECE` bytes, however slowly; no Unix sockets; a pool does not notice a fork.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from fastdag.concurrency import Timeout
from fastdag.deadline import earliest, now, remaining
from fastdag.errors import (
    UpstreamConnectError,
    UpstreamDecodeError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from fastdag.upstream.call import Call, Headers, Response, StreamedResponse

__all__ = ["RequestsTransport"]

# As many as a bulkhead lets through by default. urllib3 closes what does not fit, so that a fan-out over a smaller
# pool would connect anew for every call.
POOL = 256
PIECE = 16 << 10

# Where any of these is the cause, the request was on its way: only then may the upstream have seen it.
_LOST = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, http.client.RemoteDisconnected)
# TLS that was cut, and did not refuse.
_CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class RequestsTransport:
    """Sends through a `requests.Session`: one of its own, or the one that is given, of which it changes nothing.

    A given session's adapters, proxies, auth, cookies, headers and TLS settings apply; its `trust_env` does not, and
    what the upstream answers leaves no trace in it.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        connect_timeout: float | None = 0.5,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
    ) -> None:
        self._own = session is None
        self._session = _own_session(verify, cert) if session is None else session
        self._connect_timeout = connect_timeout

    @staticmethod
    def is_session(value: Any) -> bool:
        """Whether a value is what this transport can send through."""
        return isinstance(value, requests.Session)

    def send(self, call: Call) -> Response:
        """One attempt."""
        host, start = call.host, now()
        if host is None or host.scheme == "unix":
            raise UpstreamConnectError("requests reaches hosts by http:// and https:// only")
        url = f"{host.scheme}://{host.authority}{host.prefix}{call.target}"
        sending = _Sending(call)
        answer = sending.bounded(lambda: self._exchange(call, url, sending))
        headers = Headers(list(answer.raw.headers.items()))
        if call.stream:
            pieces = sending.pieces(answer)
            return StreamedResponse(answer.status_code, headers, pieces, answer.close, url=url, elapsed=now() - start)
        return Response(answer.status_code, headers, b"".join(sending.pieces(answer)), url=url, elapsed=now() - start)

    def _exchange(self, call: Call, url: str, sending: _Sending) -> requests.Response:
        session = self._session
        prepared = requests.PreparedRequest()
        prepared.prepare_method(call.method)
        prepared.url = url  # not through prepare_url, which decodes and normalizes what was encoded on purpose
        promise = () if call.promise is None else (call.promise,)
        prepared.prepare_headers({**session.headers, **dict((*call.headers, *promise))})
        prepared.prepare_cookies(session.cookies)
        prepared.prepare_body(call.body, None)
        prepared.hooks = {"response": list(session.hooks["response"])}
        prepared.prepare_auth(session.auth, url)
        left = remaining(call.deadline)
        options: dict[str, Any] = {
            "stream": True,
            "timeout": (earliest(self._connect_timeout, left), left),
            "verify": session.verify,
            "cert": session.cert,
            "proxies": session.proxies,
        }
        answer = session.get_adapter(url).send(prepared, **options)
        sending.received = True
        if answer.status_code < 200:
            answer.close()
            raise UpstreamProtocolError(
                f"requests takes the interim status {answer.status_code} for the answer", sent=True, received=True
            )
        for hook in prepared.hooks["response"]:  # digest authentication is one
            answer = hook(answer, **options) or answer
        return answer

    def close(self) -> None:
        """Close the connections, unless the session is somebody else's."""
        if self._own:
            for adapter in self._session.adapters.values():
                # urllib3 only forgets its pools, and what an exception's traceback refers to stays open for a while.
                pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
                for key in pools.keys():  # noqa: SIM118 - it is no mapping to iterate over
                    pools[key].close()
            self._session.close()


class _Sending:
    """One attempt on its way: how far it is, and what its exceptions mean."""

    def __init__(self, call: Call) -> None:
        self.received = False
        self._deadline = call.deadline
        self._max_bytes = call.max_bytes

    def bounded(self, step: Any) -> Any:
        """Do one step of the exchange, in the time that is left, with exceptions of ours."""
        left = remaining(self._deadline)
        if left == 0:
            raise UpstreamTimeout("the time is up", sent=self.received, received=self.received)
        late = Timeout(left)
        try:
            with late:
                return step()
        except Timeout as error:
            if error is not late:
                raise
            raise UpstreamTimeout("the time is up", sent=True, received=self.received) from error
        except requests.RequestException as error:
            raise self._ours(error) from error

    def pieces(self, answer: requests.Response) -> Iterator[bytes]:
        """The body in pieces, until it ends, is too large, or the time is up."""
        size = 0
        body = answer.iter_content(PIECE)
        whole = False
        try:
            while piece := self.bounded(lambda: next(body, b"")):
                size += len(piece)
                if size > self._max_bytes:
                    raise UpstreamTooLarge(f"the body has more than {self._max_bytes} bytes", sent=True, received=True)
                yield piece
            whole = True
        finally:
            if not whole:
                answer.close()

    def _ours(self, error: requests.RequestException) -> UpstreamError:
        causes = list(_causes(error))
        sent = self.received or any(isinstance(cause, _LOST) for cause in causes)
        if isinstance(error, requests.ConnectTimeout):
            return UpstreamTimeout("connecting took too long")
        if isinstance(error, requests.Timeout) or any(isinstance(cause, TimeoutError) for cause in causes):
            return UpstreamTimeout("the time is up", sent=True, received=self.received)
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return UpstreamDecodeError(f"the body's encoding is broken: {error}", sent=True, received=True)
        garbage = any(
            isinstance(cause, http.client.HTTPException) and not isinstance(cause, _LOST) for cause in causes
        )
        if garbage or self.received:
            return UpstreamProtocolError(f"the answer is cut or no HTTP: {error}", sent=True, received=True)
        # TLS that refused would refuse again; a handshake that was cut may have met a host that restarts.
        refused = isinstance(error, requests.exceptions.SSLError)
        cut = any(isinstance(cause, _CUT) for cause in causes)
        return UpstreamConnectError(str(error), sent=sent, hopeless=refused and not cut)


def _own_session(verify: bool | str, cert: str | tuple[str, str] | None) -> requests.Session:
    session = requests.Session()
    session.headers.clear()
    session.headers["Accept-Encoding"] = "gzip, deflate"
    session.verify = verify
    session.cert = cert
    adapter = HTTPAdapter(pool_connections=POOL, pool_maxsize=POOL)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
