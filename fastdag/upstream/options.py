"""The options of an upstream and of its calls: their names, and what is refused with which message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from fastdag.upstream.call import Host, Transport
from fastdag.upstream.site import Policy
from fastdag.upstream.transport.requests import RequestsTransport

__all__ = ["POLICIES", "UNSET", "CallOptions", "check_bytes", "check_hosts", "check_policies", "choose_transport"]

#: The policies that an upstream declares and a call overrides.
POLICIES = ("retry", "hedge", "breaker", "bulkhead", "cache", "coalesce")

UNSET: Any = type("Unset", (), {"__repr__": lambda _: "UNSET"})()


class CallOptions(TypedDict, total=False):
    """The options of one call; see `Upstream.request`."""

    params: Any
    headers: Mapping[str, Any] | None
    json: Any
    data: Any
    timeout: float | None
    stream: bool
    idempotent: bool | None
    max_response_bytes: int | None
    forward_headers: Iterable[str]
    retry: Policy | None
    hedge: Policy | None
    breaker: Policy | None
    bulkhead: Policy | None
    cache: Policy | None
    coalesce: bool


def check_hosts(name: str, base_url: str | Sequence[str]) -> tuple[Host, ...]:
    urls = [base_url] if isinstance(base_url, str) else base_url
    if not isinstance(urls, (list, tuple)) or not urls or not all(isinstance(url, str) for url in urls):
        raise TypeError(f"{name}: base_url is a URL like 'http://{name}:8080', or a list of them; not {base_url!r}")
    try:
        return tuple(Host.parse(url) for url in urls)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def check_bytes(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{name}: max_response_bytes is a positive number of bytes, not {value!r}")
    return value


def check_policies(name: str, given: Mapping[str, Any]) -> dict[str, Policy | None]:
    for key, value in given.items():
        if key not in POLICIES:
            raise TypeError(f"{name}: no option is called {key!r}; the policies are {', '.join(POLICIES)}")
        if value is not None and not hasattr(value, "bind"):
            raise TypeError(f"{name}: {key} takes {key.capitalize()}(...) or None, not {value!r}")
    return dict(given)


def choose_transport(
    choice: Any, name: str, connect_timeout: float | None, connecting: Mapping[str, Any]
) -> Transport:
    if choice is None or choice == "requests" or RequestsTransport.is_session(choice):
        session = None if isinstance(choice, str) else choice
        return RequestsTransport(session, connect_timeout=connect_timeout, **connecting)
    if callable(getattr(choice, "send", None)) and callable(getattr(choice, "close", None)):
        if connecting:
            raise TypeError(f"{name}: {', '.join(connecting)} would not reach a transport that is made already")
        found: Transport = choice
        return found
    raise TypeError(f"{name}: transport is None, 'requests', a requests.Session or a Transport, not {choice!r}")
