"""What the default policies cost while nothing fails: `make bench-policies`.

CPU per call, user and system, in one process on one core; the upstream is nginx on another. The bare transport gets a
call with its deadline and brings the answer; everything else brings the same answer through it.
"""

# ruff: noqa: E402 - everything else is imported after patching

from gevent import monkey

monkey.patch_all()

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent

from benchmarks.common import Children, Cores, at_most, interleaved, median, per_call, pin, print_bars, print_table
from benchmarks.upstream import PARTS, start_upstream
from fastdag import Breaker, Bulkhead, Cache, Hedge, Retry, Upstream
from fastdag.deadline import after
from fastdag.upstream.call import Call, Host
from fastdag.upstream.transport.native import NativeTransport

PATH = "/part/0"
BARE = "the bare transport"
STACK = "the layers alone: a call through the default policies"
OFF = "Upstream.get, retry, breaker and bulkhead off"
DEFAULT = "Upstream.get, default policies"
ALL = "Upstream.get, every policy but the cache"
CACHED = "Upstream.get, from the cache"

Ask = Callable[[], Any]


def contestants(url: str) -> dict[str, Ask]:
    host, transport = Host.parse(url), NativeTransport()
    # Hedged calls run in greenlets of their own, whether or not a second one follows.
    every = Upstream(
        "all", url, retry=Retry(), breaker=Breaker(), bulkhead=Bulkhead(), hedge=Hedge(1.0), coalesce=True
    )
    off = Upstream("off", url, retry=None, breaker=None, bulkhead=None)
    default, cached = Upstream("default", url), Upstream("cached", url, cache=Cache(ttl=3600))

    def call() -> Call:
        return Call("GET", PATH, [("User-Agent", "fastdag")], host=host, deadline=after(1))

    return {
        BARE: lambda: transport.send(call()),
        STACK: lambda: default.stack.send(call()),
        OFF: lambda: off.get(PATH),
        DEFAULT: lambda: default.get(PATH),
        ALL: lambda: every.get(PATH),
        CACHED: lambda: cached.get(PATH),
    }


def run(url: str, rounds: int, calls: int) -> bool:
    asking = contestants(url)
    for name, ask in asking.items():
        assert ask().text == PARTS[0], name
    found = interleaved(
        {name: partial(per_call, ask, calls=calls, clock=time.process_time) for name, ask in asking.items()},
        rounds=rounds,
    )
    cost = {name: median(values) * 1e6 for name, values in found.items()}
    print_table(
        ["", "µs per call", "beside the transport"],
        [[name, f"{value:.1f}", f"{value / cost[BARE]:.2f}"] for name, value in cost.items()],
    )
    return print_bars([at_most(f"{DEFAULT} / {BARE}", cost[DEFAULT] / cost[BARE], 1.4)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    cores = Cores.here()
    print(cores)
    with Children() as children:
        _, url = start_upstream(children, core=cores.upstream)
        pin(cores.subject)
        # In a greenlet, as under a server; the main one has a hub to itself.
        met = gevent.spawn(run, url, options.rounds, options.calls).get()
    sys.exit(not met)


if __name__ == "__main__":
    main()
