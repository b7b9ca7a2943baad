"""The options of an upstream and of its calls: their names, and what is refused with which message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar

from fastdag.events import Instruments
from fastdag.upstream.call import Transport
from fastdag.upstream.host import Host
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.site import Policy
from fastdag.upstream.transport.native import NativeTransport
from fastdag.upstream.transport.requests import RequestsTransport

__all__ = [
    "POLICIES",
    "UNSET",
    "CallOptions",
    "check_auth",
    "check_bytes",
    "check_hosts",
    "check_name",
    "check_policies",
    "choose_transport",
]

T = TypeVar("T")

#: The policies that an upstream declares and a call overrides.
POLICIES: Mapping[str, type[Policy]] = {
    "retry": Retry,
    "hedge": Hedge,
    "breaker": Breaker,
    "bulkhead": Bulkhead,
    "cache": Cache,
    "coalesce": Coalesce,
}

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
    retry: Retry | None
    hedge: Hedge | None
    breaker: Breaker | None
    bulkhead: Bulkhead | None
    cache: Cache | None
    coalesce: Coalesce | bool | None


def check_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"an upstream's name is a non-empty string, not {name!r}")
    return name


def check_auth(name: str, auth: T) -> T:
    if auth is not None and not callable(auth):
        raise TypeError(f"{name}: auth is a callable that gets the call and returns headers, not {auth!r:.80}")
    return auth


def check_hosts(name: str, base_url: str | Sequence[str]) -> tuple[Host, ...]:
    urls = [base_url] if isinstance(base_url, str) else base_url
    if not isinstance(urls, (list, tuple)) or not urls or not all(isinstance(url, str) for url in urls):
        raise TypeError(f"{name}: base_url is a URL like 'http://{name}:8080', or a list of them; not {base_url!r}")
    try:
        hosts = tuple(Host.parse(url) for url in urls)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(set(urls)) < len(urls):
        raise ValueError(f"{name}: base_url names the same place twice: {', '.join(urls)}")
    return hosts


def check_bytes(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{name}: max_response_bytes is a positive number of bytes, not {value!r}")
    return value


def check_policies(name: str, given: Mapping[str, Any]) -> dict[str, Policy | None]:
    """Policies by name, as somebody gave them; `True` and `False` do where a policy has no options."""
    return {key: _check_policy(name, key, value) for key, value in given.items()}


def _check_policy(name: str, key: str, value: Any) -> Policy | None:
    kind = POLICIES.get(key)
    if kind is None:
        raise TypeError(f"{name}: no option is called {key!r}; the policies are {', '.join(POLICIES)}")
    if kind is Coalesce and isinstance(value, bool):
        return Coalesce() if value else None
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{name}: {key} takes {kind.__name__}(...) or None, not {value!r:.80}")
    found: Policy | None = value
    return found


def choose_transport(
    choice: Any,
    name: str,
    hosts: Sequence[Host],
    instruments: Instruments,
    connect_timeout: float | None,
    connecting: Mapping[str, Any],
) -> Transport:
    """The transport that was asked for, told what was said about connecting."""
    if choice is None:
        return NativeTransport(instruments=instruments, connect_timeout=connect_timeout, **connecting)
    if choice == "requests" or RequestsTransport.is_session(choice):
        if any(host.scheme == "unix" for host in hosts):
            raise ValueError(f"{name}: requests reaches hosts by http:// and https:// only")
        if choice == "requests":
            _refuse(name, "transport='requests'", connecting, "idle", "max_age")
            return RequestsTransport(connect_timeout=connect_timeout, **connecting)
        _refuse(name, "transport=requests.Session()", connecting, *connecting)
        return RequestsTransport(choice, connect_timeout=connect_timeout)
    sends = callable(getattr(choice, "send", None)) and callable(getattr(choice, "close", None))
    if sends and not isinstance(choice, type):
        _refuse(name, "a transport that is made already", connecting, *connecting)
        found: Transport = choice
        return found
    raise TypeError(f"{name}: transport is None, 'requests', a requests.Session or a Transport, not {choice!r:.80}")


def _refuse(name: str, what: str, given: Mapping[str, Any], *options: str) -> None:
    found = sorted(set(given) & set(options))
    if found:
        raise TypeError(f"{name}: {what} takes no {', '.join(f'{option}=' for option in found)}")
