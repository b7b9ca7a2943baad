"""What a call carries of the request that it is made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastdag.context import Context, Scope
from fastdag.upstream.encode import encode_header

__all__ = ["forwarded", "merged", "outbound"]


def outbound(scope: Scope) -> Sequence[tuple[str, str]]:
    """The headers that say who asks, of the request that the innermost run of a scope works for."""
    found: Scope | None = scope
    while found is not None:
        if isinstance(found.context, Context):
            return found.context.outbound
        found = found.parent
    return ()


def forwarded(scope: Scope | None, names: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Headers of the request by their names, which are in lower case; those that it does not have are left out.

    What the client nominates in its Connection header (RFC 9110 §7.6.1) makes no difference: the names were chosen
    by the program, and a client must not be able to strip one of them on the way (FAULTS M06).
    """
    context: Any = None if scope is None else scope.context
    headers = context.get("headers") if isinstance(context, Mapping) else getattr(context, "headers", None)
    if isinstance(headers, Mapping):
        for name in names:
            if name in headers:
                yield name, encode_header(name, headers[name])


def merged(headers: dict[str, tuple[str, str]], more: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers by their names in lower case, with further ones in the place of those that have the same name."""
    headers.update((name.lower(), (name, value)) for name, value in more)
    return tuple(headers.values())
