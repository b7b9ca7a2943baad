"""What an upstream's answer is to the node that asked: data, nothing, a failure, or the answer of the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter, methodcaller
from typing import Any

from fastdag.errors import GraphError, Relayed, UpstreamDecodeError, UpstreamError, UpstreamStatusError
from fastdag.upstream.call import Response
from fastdag.upstream.later import retry_after

__all__ = ["SUCCESS", "Answer"]

SUCCESS = range(200, 300)
NO_CONTENT = frozenset({204, 205})  # RFC 9110 §15.3.5 and §15.3.6


class Answer:
    """The rules of one fetch: which statuses mean what, and what becomes of the body.

    `relay` holds the statuses that are the answer of the run, `result_type` is what a body becomes.
    """

    def __init__(
        self,
        node_id: str,
        upstream: str,
        method: str,
        *,
        ok: int | Iterable[int],
        empty_on: int | Iterable[int],
        relay: int | Iterable[int],
        decode: str | Callable[[Response], Any],
        type: Any,
    ) -> None:
        self._upstream = upstream
        self._ok = _statuses(node_id, "ok", ok)
        self._empty_on = _statuses(node_id, "empty_on", empty_on)
        self.relay = _statuses(node_id, "relay", relay)
        if self._empty_on & self.relay:
            raise GraphError(f"{node_id}: empty_on and relay both name {sorted(self._empty_on & self.relay)}")
        if type is not Any and decode != "json":
            raise GraphError(f"{node_id}: type= converts JSON, so it needs decode='json'")
        if method == "HEAD" and decode == "json":
            raise GraphError(f"{node_id}: a HEAD answer has no body; give decode= a function of the response")
        self._decode = _decoder(node_id, decode, type)
        self.result_type = _result_type(decode, type, empty=bool(self._empty_on))
        if decode == "json":
            self._empty_on |= self._ok & (NO_CONTENT - self.relay)
        self._decoded = self._ok - self._empty_on - self.relay

    def __call__(self, response: Response) -> Any:
        status = response.status_code
        if status not in self._decoded:
            if status in self.relay:
                raise self._error(Relayed, response)
            if status in self._empty_on:
                return None
            raise self._error(UpstreamStatusError, response)
        try:
            return self._decode(response)
        except UpstreamError as error:
            error.upstream = error.upstream or self._upstream
            raise
        except Exception as error:
            raise UpstreamDecodeError(
                f"the body could not be decoded: {error}", upstream=self._upstream, sent=True, received=True
            ) from error

    def _error(self, kind: type[UpstreamStatusError], response: Response) -> UpstreamStatusError:
        return kind(
            f"status {response.status_code}",
            status=response.status_code,
            retry_after=retry_after(response.headers),
            response=response,
            upstream=self._upstream,
            sent=True,
            received=True,
        )


def _statuses(node_id: str, option: str, given: int | Iterable[int]) -> frozenset[int]:
    codes = (given,) if isinstance(given, int) else given
    found = frozenset(codes) if isinstance(codes, Iterable) else frozenset({codes})
    if not all(isinstance(code, int) and 200 <= code <= 599 for code in found) or (option == "ok" and not found):
        raise GraphError(f"{node_id}: {option} is a status from 200 to 599 or a collection of them, not {given!r}")
    return found


def _decoder(node_id: str, decode: str | Callable[[Response], Any], type: Any) -> Callable[[Response], Any]:
    if callable(decode):
        return decode
    if decode == "json":
        return methodcaller("json") if type is Any else methodcaller("json", type)
    if decode == "text":
        return attrgetter("text")
    if decode == "bytes":
        return attrgetter("content")
    raise GraphError(f"{node_id}: decode is 'json', 'text', 'bytes' or a function of the response, not {decode!r}")


def _result_type(decode: str | Callable[[Response], Any], type: Any, *, empty: bool) -> Any:
    found: Any = {"json": type, "text": str, "bytes": bytes}[decode] if isinstance(decode, str) else Any
    return found if found is Any or not empty else found | None
