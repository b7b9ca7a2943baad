"""What goes through the stack of an upstream: a `Call` on the way out, a `Response` on the way back."""

from __future__ import annotations

from codecs import lookup
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from fastdag.errors import UpstreamDecodeError, UpstreamStatusError
from fastdag.upstream.host import Host
from fastdag.upstream.later import retry_after

__all__ = ["Call", "Headers", "Host", "Request", "Response", "Send", "StreamedResponse", "Transport"]


@dataclass(frozen=True, slots=True)
class Request:
    """A call as a node describes it: a method, a path below the upstream's base URL, and what goes with it."""

    method: str
    path: str
    params: Any = None
    headers: Mapping[str, str] | None = None
    json: Any = None
    data: Any = None


# Codecs of Python's that no charset of IANA's names, and which would be an upstream's to choose: the first two take
# the square of a text's length.
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined"})


class Headers(Mapping[str, str]):
    """The headers of an answer, in order; looked up without regard to case. Repeated ones are joined by ", ".

    Made from pairs, or from `head`: the bytes of an answer up to its first empty line, of which a parser has said
    that they are well-formed. Few headers are ever read, so it is taken apart when the first of them is.
    """

    __slots__ = ("_found", "_head", "_raw")

    def __init__(self, raw: Iterable[tuple[str, str]] = (), *, head: bytes = b"") -> None:
        self._raw = [] if head else list(raw)
        self._head = head
        self._found: dict[str, str] | None = None

    @property
    def raw(self) -> list[tuple[str, str]]:
        """Names and values as they came."""
        if self._head:
            lines = self._head.decode("latin-1").split("\r\n")[1:-2]
            self._raw = [(name, value.strip(" \t")) for name, _, value in (line.partition(":") for line in lines)]
            self._head = b""
        return self._raw

    def _index(self) -> dict[str, str]:
        found = self._found
        if found is None:
            found = self._found = {}
            for name, value in self.raw:
                name = name.lower()
                found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def __getitem__(self, name: str) -> str:
        return self._index()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index())

    def __len__(self) -> int:
        return len(self._index())

    def get_all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        name = name.lower()
        return [value for key, value in self.raw if key.lower() == name]

    def __repr__(self) -> str:
        return f"Headers({self.raw!r})"


class Call:
    """One call on its way down the stack. Every layer reads it; only the layer named beside a field writes it.

    `target` is the request target below the host's prefix, percent-encoded, with the query. `headers` hold neither
    Host nor any framing header: those are the transport's. `body` is bytes, an iterable of bytes, or `None`.
    Deadlines are instants of the monotonic clock.
    """

    __slots__ = (
        "attempt",  # 0 for the first: retry, hedge
        "body",
        "deadline",  # the total's: timeout
        "early",  # whether the attempt had less than half of its usual time, which is the caller's doing: attempt
        "headers",
        "hedged",  # whether a second attempt may run beside it, so that no retry follows it: hedge
        "host",  # balance
        "idempotent",
        "max_bytes",
        "method",
        "options",  # per-call overrides of policies, by name
        "promise",  # a header of this attempt alone, which says how long anybody will wait for it: attempt
        "stream",
        "target",
        "timeout",  # the call's own total in seconds, where it was given one
        "tried",  # hosts that earlier attempts used: balance
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | Iterable[bytes] | None = None,
        host: Host | None = None,
        deadline: float | None = None,
        idempotent: bool = True,
        max_bytes: int = 2 << 20,
        stream: bool = False,
        timeout: float | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = tuple(headers)  # calls may share them: nobody can change one in place
        self.body = body
        self.host = host
        self.deadline = deadline
        self.idempotent = idempotent
        self.max_bytes = max_bytes
        self.stream = stream
        self.timeout = timeout
        self.options = options
        self.attempt = 0
        self.early = False
        self.hedged = False
        self.promise: tuple[str, str] | None = None
        self.tried: tuple[Host, ...] = ()

    def again(self) -> Call:
        """The same call for another attempt: attempts share nothing that one of them could change."""
        other = Call(
            self.method,
            self.target,
            self.headers,
            self.body,
            self.host,
            self.deadline,
            self.idempotent,
            self.max_bytes,
            self.stream,
            self.timeout,
            self.options,
        )
        other.attempt, other.hedged, other.tried = self.attempt, self.hedged, self.tried
        return other


class Response:
    """An answer, whole: status, headers, and a body that is decoded when it is asked for."""

    __slots__ = ("_content", "_elapsed", "_headers", "_text", "status_code", "url")

    def __init__(
        self, status_code: int, headers: Headers | bytes, content: bytes, url: str = "", elapsed: float = 0.0
    ) -> None:
        self.status_code = status_code
        self._headers = headers  # the bytes of a head, until somebody reads a header
        self._content = content
        self.url = url
        self._elapsed = elapsed
        self._text: str | None = None

    @property
    def headers(self) -> Headers:
        """The headers, as they came."""
        if isinstance(self._headers, bytes):
            self._headers = Headers(head=self._headers)
        return self._headers

    @headers.setter
    def headers(self, headers: Headers) -> None:
        self._headers = headers

    @property
    def content(self) -> bytes:
        """The body, without its content encoding."""
        return self._content

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the call to the last byte."""
        return self._elapsed

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    @property
    def text(self) -> str:
        """The body as text, in the charset it declares, else UTF-8; bad bytes are a decode error."""
        if self._text is None:
            charset = "utf-8"
            for part in self.headers.get("content-type", "").split(";")[1:]:
                name, _, value = part.strip().partition("=")
                if name.lower() == "charset":
                    charset = value.strip("\"' ")
            try:
                if lookup(charset).name in _NO_CHARSETS:
                    raise LookupError(f"{charset} is no charset")
                self._text = self.content.decode(charset)
            except (ValueError, LookupError) as error:  # bad bytes, or a charset that is none
                raise UpstreamDecodeError(f"the body is no {charset} text: {error}") from error
        return self._text

    def json(self, type: Any = Any) -> Any:
        """The body as JSON (RFC 8259: strict UTF-8, no NaN), converted to `type` where one is given."""
        try:
            if type is not Any:  # with a type, msgspec passes over bad UTF-8 in fields that the type does not have
                self.content.decode()
            return msgspec.json.decode(self.content, type=type)
        except (ValueError, RecursionError, MemoryError) as error:
            raise UpstreamDecodeError(f"the body is not the JSON that was asked for: {error}") from error

    def raise_for_status(self) -> None:
        """An `UpstreamStatusError` from 400 on."""
        if not self.ok:
            raise UpstreamStatusError(
                f"status {self.status_code}",
                status=self.status_code,
                retry_after=retry_after(self.headers),
                response=self,
                sent=True,
                received=True,
            )

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}] {len(self.content)} bytes>"


class StreamedResponse(Response):
    """An answer whose body is still on its way, from a call with `stream=True`.

    Iterate over its pieces, or read `content` for what is left of it. It holds its connection until it was read to
    the end or closed, so use it in a `with` block. The call's deadline and its limit on bytes hold for the body too.
    """

    __slots__ = ("_close", "_pieces")

    def __init__(
        self,
        status_code: int,
        headers: Headers,
        pieces: Iterator[bytes],
        close: Callable[[], object],
        *,
        url: str = "",
        elapsed: float = 0.0,
    ) -> None:
        super().__init__(status_code, headers, b"", url=url, elapsed=elapsed)
        self._pieces = pieces
        self._close = close

    @property
    def content(self) -> bytes:
        """What was left of the body when this was first asked for."""
        self._content += b"".join(self._pieces)
        return self._content

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Drop what is left of the body."""
        self._close()

    def __enter__(self) -> StreamedResponse:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}] streamed>"


Send = Callable[[Call], Response]


class Transport(Protocol):
    """The lowest layer: one attempt of one call on one connection, to `call.host`, until `call.deadline`."""

    def send(self, call: Call) -> Response: ...

    def close(self) -> None: ...
