"""The stack of an upstream: which layers a call passes, in which order, and why in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.policies.attempt import Attempt
from fastdag.upstream.policies.total import Total
from fastdag.upstream.site import Policy, Site

__all__ = ["LAYERS", "Stack", "build"]

# From the outside in: each stands above those below it for the reason beside it. The transport is below them all.
LAYERS: tuple[tuple[str, Policy | None, str], ...] = (
    ("cache", None, "a stored answer costs nothing below: no slot, no budget, no clock; it outlives an open breaker"),
    ("coalesce", None, "one call for many callers, so what follows must not end with one caller's deadline"),
    ("timeout", Total(), "the total holds over all attempts, and over the pauses between them"),
    ("attempt", Attempt(), "the clock of an attempt starts once it has a slot: waiting for one is no slow upstream"),
)

_VARIANTS = 64


class Stack:
    """The layers of one upstream, folded around its transport.

    An override (`call.options`, policies by layer name, `None` for off) is the same fold over other options: what
    the layers remember is kept by the site, and shared. Folds are remembered, by their options.
    """

    __slots__ = ("_send", "_variants", "policies", "site")

    def __init__(self, site: Site, policies: Mapping[str, Policy | None]) -> None:
        self.site = site
        self.policies = policies
        self._send = self._fold(policies)
        self._variants: dict[tuple[tuple[str, Policy | None], ...], Send] = {}

    def _fold(self, policies: Mapping[str, Policy | None]) -> Send:
        send: Send = self.site.transport.send
        for name, _, _ in reversed(LAYERS):
            policy = policies[name]
            if policy is not None:
                send = policy.bind(self.site, send)
        return send

    def send(self, call: Call) -> Response:
        """Send a call through all the layers."""
        if call.options is None:
            return self._send(call)
        return self._variant(call.options)(call)

    def _variant(self, options: Mapping[str, Policy | None]) -> Send:
        key = tuple(options.items())
        send = self._variants.get(key)
        if send is None:
            if len(self._variants) >= _VARIANTS:  # overrides made up as they go: forget, do not grow
                self._variants.clear()
            send = self._variants[key] = self._fold(_complete(self.policies, options))
        return send

    def describe(self) -> dict[str, Any]:
        """The effective stack as data: limits, and every layer from the outside in with its options and its state."""
        site = self.site
        return {
            "name": site.name,
            "hosts": [host.url for host in site.hosts],
            "timeout": site.timeout,
            "attempt_timeout": site.attempt_timeout,
            "layers": [
                {
                    "name": name,
                    "options": asdict(policy),  # type: ignore[call-overload]
                    "state": site.states[name].describe() if name in site.states else {},
                    "reason": reason,
                }
                for name, _, reason in LAYERS
                if (policy := self.policies[name]) is not None
            ],
        }


def _complete(policies: Mapping[str, Policy | None], options: Mapping[str, Policy | None]) -> dict[str, Policy | None]:
    unknown = sorted(set(options) - set(policies))
    if unknown:
        raise TypeError(f"no policy is called {', '.join(unknown)}; the policies are {', '.join(policies)}")
    return {**policies, **options}


def build(site: Site, options: Mapping[str, Policy | None] | None = None) -> Stack:
    """The stack of an upstream. `options` are policies by layer name, `None` for off; the rest are the defaults."""
    return Stack(site, _complete({name: policy for name, policy, _ in LAYERS}, options or {}))
