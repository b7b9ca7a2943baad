"""Putting another stack into an upstream for a while: what overrides, virtual clocks and the failure matrix share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from fastdag.testing.fake import FakeUpstream
from fastdag.upstream.call import Host
from fastdag.upstream.client import Upstream
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.site import Policy
from fastdag.upstream.stack import Stack

__all__ = ["override_upstream", "restacked"]


@contextmanager
def restacked(upstream: Upstream, kind: type[Stack] | None = None, /, **changes: Any) -> Iterator[Stack]:
    """Give an upstream a stack that knows nothing yet, over a site with some changes; and its own back afterwards.

    Policies and transport stay. Nothing that happens meanwhile is remembered: not by the breaker, the budget or the
    cache, and not by connections.
    """
    before, hosts = upstream.stack, upstream.hosts
    site = replace(before.site, states={}, troubled=set(), **changes)
    policies = {name: _unshared(policy) for name, policy in before.policies.items()}
    stack = (kind or type(before))(site, policies)
    upstream.stack, upstream.hosts = stack, site.hosts
    try:
        yield stack
    finally:
        upstream.stack, upstream.hosts = before, hosts
        stack.close()


def _unshared(policy: Policy | None) -> Policy | None:
    """A cache keeps what it learns in a store that others may share, too; here it is to keep it to itself."""
    return replace(policy, store=None) if isinstance(policy, Cache) else policy


@contextmanager
def override_upstream(upstream: Upstream, fake: FakeUpstream | str) -> Iterator[None]:
    """Send an upstream's calls to a fake, or to another base URL, with all of its policies.

        with FakeUpstream() as fake, override_upstream(catalog, fake):
            ...

    What its breaker, cache and budget knew waits until the end of the block, and in it they start from nothing.
    """
    url = fake.url if isinstance(fake, FakeUpstream) else fake
    with restacked(upstream, hosts=(Host.parse(url),)):
        yield
