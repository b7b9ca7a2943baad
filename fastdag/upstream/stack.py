"""The stack of an upstream: which layers a call passes, in which order, and why in that order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fastdag.upstream.call import Call, Response, Send
from fastdag.upstream.policies.attempt import Attempt
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import Breaker, Circuits
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Vault
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.policies.total import Total
from fastdag.upstream.runway import Runway
from fastdag.upstream.site import Policy, Site

__all__ = ["LAYERS", "Stack", "build"]

# From the outside in: the name, the default (`None`: off until declared), and why it stands above those below it.
# The transport is below them all.
LAYERS: tuple[tuple[str, Policy | None, str], ...] = (
    ("cache", None, "a stored answer costs nothing below, no slot and no budget, and outlives an open breaker"),
    ("coalesce", None, "one call for many callers must not end with the deadline of one of them"),
    ("timeout", Total(), "the total holds over all attempts and the pauses between them"),
    ("hedge", None, "it takes the place of retry for the calls it may hedge, and leaves it the others"),
    ("retry", Retry(), "each attempt is balanced, judged and bounded by itself"),
    ("balance", Balance(), "the breaker is per host, and where one rejects, another host is asked"),
    ("breaker", Breaker(), "a rejection takes no slot, and waiting for a slot is no failure of the host"),
    ("bulkhead", Bulkhead(), "the clock of an attempt starts when it has its slot"),
    ("attempt", Attempt(), "the transport keeps one deadline, and does not ask where it comes from"),
)

_VARIANTS = 64


class Stack:
    """The layers of one upstream, folded around its transport.

    An override (`call.options`, policies by layer name, `None` for off) is the same fold over other options: what
    the layers remember is kept by the site, and shared. Folds are remembered, by their options.
    """

    __slots__ = ("_send", "_variants", "policies", "runway", "site")

    def __init__(self, site: Site, policies: Mapping[str, Policy | None]) -> None:
        self.site = site
        self.policies = policies
        self._send = self._fold(policies)
        self.runway = Runway.of(site, policies, self._fold(policies, below="retry"))
        self._variants: dict[tuple[tuple[str, Policy | None], ...], Send] = {}

    def _fold(self, policies: Mapping[str, Policy | None], *, below: str = "") -> Send:
        send: Send = self.site.transport.send
        for name, _, _ in reversed(LAYERS):
            if name == below:
                break
            policy = policies[name]
            if policy is not None:
                send = policy.bind(self.site, send)
        return send

    def send(self, call: Call) -> Response:
        """Send a call through all the layers, or past them where that comes to the same."""
        response = None if self.runway is None else self.runway.send(call)
        if response is not None:
            return response
        return self._send(call) if call.options is None else self._variant(call.options)(call)

    def _variant(self, options: Mapping[str, Policy | None]) -> Send:
        key = tuple(options.items())
        send = self._variants.get(key)
        if send is None:
            if len(self._variants) >= _VARIANTS:  # overrides made up as they go: forget, do not grow
                self._variants.clear()
            send = self._variants[key] = self._fold(_complete(self.policies, options))
        return send

    @property
    def circuits(self) -> Circuits | None:
        """The breaker's state, for who forces it; `None` where there is no breaker."""
        found = self.site.states.get("breaker")
        return found if isinstance(found, Circuits) else None

    @property
    def vault(self) -> Vault | None:
        """What the cache holds, for who purges it; `None` where there is no cache."""
        found = self.site.states.get("cache")
        return found if isinstance(found, Vault) else None

    def close(self) -> None:
        """End the refreshes behind the callers' backs, then the transport."""
        if self.vault is not None:
            self.vault.close()
        self.site.transport.close()

    def describe(self) -> dict[str, Any]:
        """The effective stack as data: limits, and every layer from the outside in with its options and its state."""
        site = self.site
        return {
            "name": site.name,
            "hosts": [host.url for host in site.hosts],
            "timeout": site.timeout,
            "attempt_timeout": site.attempt_timeout,
            "layers": [
                {"name": name, "options": _options(policy), "state": self._state(name), "reason": reason}
                for name, _, reason in LAYERS
                if (policy := self.policies[name]) is not None
            ],
            "budget": self._state("budget"),
        }

    def _state(self, name: str) -> dict[str, Any]:
        state = self.site.states.get(name)
        return {} if state is None else state.describe()

    def glance(self) -> str:
        """The state in a few words: `3 in flight, 0 waiting, breaker closed`."""
        slots = self._state("bulkhead")
        flying = f"{slots['in_flight']} in flight, {slots['waiting']} waiting" if slots else "no bulkhead"
        circuits = [circuit["state"] for circuit in self._state("breaker").values()]
        return f"{flying}, breaker {'/'.join(circuits) or 'off'}"

    def __repr__(self) -> str:
        return f"<Stack {self.site.name} [{self.glance()}]>"


def _options(policy: Policy) -> dict[str, Any]:
    return {field.name: getattr(policy, field.name) for field in fields(policy)}  # type: ignore[arg-type]


def _complete(policies: Mapping[str, Policy | None], options: Mapping[str, Policy | None]) -> dict[str, Policy | None]:
    unknown = sorted(set(options) - set(policies))
    if unknown:
        raise TypeError(f"no policy is called {', '.join(unknown)}; the policies are {', '.join(policies)}")
    return {**policies, **options}


def build(site: Site, options: Mapping[str, Policy | None] | None = None) -> Stack:
    """The stack of an upstream. `options` are policies by layer name, `None` for off; the rest are the defaults."""
    return Stack(site, _complete({name: policy for name, policy, _ in LAYERS}, options or {}))
