"""The stack: its order, its overrides, and what it says about itself."""

import json
import subprocess
import sys

import pytest

from fastdag.errors import UpstreamConnectError
from fastdag.events import Instruments
from fastdag.upstream.call import Host
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.site import Site
from fastdag.upstream.stack import LAYERS, build

from .policies.scripted import Script, answer, get

ALL = {"cache": Cache(60), "coalesce": Coalesce(), "hedge": Hedge()}


def site(*steps, hosts=1):
    found = tuple(Host.parse(f"http://{letter}:1") for letter in "ab"[:hosts])
    return Site("up", found, Script(*(steps or (answer(),))), instruments=Instruments())


def test_the_order_is_the_one_that_was_decided():
    assert [name for name, _, _ in LAYERS] == [
        "cache",
        "coalesce",
        "timeout",
        "hedge",
        "retry",
        "balance",
        "breaker",
        "bulkhead",
        "attempt",
    ]


def test_every_layer_says_why_it_stands_where_it_stands():
    assert all(len(reason) > 20 for _, _, reason in LAYERS)


def test_layers_are_folded_in_their_order():
    seen = []

    class Spy:
        def __init__(self, name):
            self.name = name

        def bind(self, site, send):
            def layer(call):
                seen.append(self.name)
                return send(call)

            return layer

    names = [name for name, _, _ in LAYERS]
    build(site(), {name: Spy(name) for name in names}).send(get())
    assert seen == names


def test_on_by_default_are_retry_breaker_and_bulkhead():
    stack = build(site())
    declared = [layer["name"] for layer in stack.describe()["layers"]]
    assert declared == ["timeout", "retry", "balance", "breaker", "bulkhead", "attempt"]


def test_none_switches_a_policy_off():
    stack = build(site(UpstreamConnectError("refused")), {"retry": None, "breaker": None})
    for _ in range(10):
        with pytest.raises(UpstreamConnectError):
            stack.send(get())
    assert len(stack.site.transport.seen) == 10
    assert stack.circuits is None


def test_a_policy_can_be_switched_on_for_one_call():
    stack = build(site(UpstreamConnectError("refused")), {"retry": None, "breaker": None})
    with pytest.raises(UpstreamConnectError):
        stack.send(get(options={"retry": Retry(attempts=3, backoff=0)}))
    assert len(stack.site.transport.seen) == 3
    with pytest.raises(UpstreamConnectError):
        stack.send(get())
    assert len(stack.site.transport.seen) == 4


def test_overrides_are_folded_once_and_do_not_pile_up():
    stack = build(site())
    for n in range(1000):
        stack.send(get(options={"retry": Retry(attempts=1 + n % 200)}))
    assert len(stack._variants) <= 64
    before = dict(stack._variants)
    stack.send(get(options={"retry": Retry(attempts=200)}))
    assert stack._variants == before


@pytest.mark.parametrize("make", [build, lambda site, options: build(site).send(get(options=options))])
def test_an_unknown_policy_is_refused_with_the_names_of_all(make):
    with pytest.raises(TypeError, match="no policy is called rety; the policies are cache, coalesce, timeout, hedge"):
        make(site(), {"rety": None})


def test_describes_limits_options_and_state_as_data():
    stack = build(site(hosts=2), ALL)
    stack.send(get())
    found = stack.describe()
    assert found["name"] == "up"
    assert found["hosts"] == ["http://a:1", "http://b:1"]
    assert (found["timeout"], found["attempt_timeout"]) == (None, 1.0)
    assert found["budget"]["calls"] == 1
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert list(layers) == [name for name, _, _ in LAYERS]
    assert layers["bulkhead"]["options"] == {"limit": 256, "queue": None, "wait": 0.1}
    assert layers["bulkhead"]["state"] == {"in_flight": 0, "waiting": 0, "rejected": 0}
    assert layers["cache"]["state"]["entries"] == 1
    assert layers["breaker"]["state"]["http://a:1"]["state"] == "closed"
    json.dumps(found)


def test_repr_shows_the_state_at_a_glance():
    stack = build(site(hosts=2))
    stack.circuits.by_url["http://b:1"].go("force_open")
    stack.site.states["bulkhead"].in_flight = 3
    assert repr(stack) == "<Stack up [3 in flight, 0 waiting, breaker closed/forced_open]>"
    assert repr(build(site(), {"bulkhead": None, "breaker": None})) == "<Stack up [no bulkhead, breaker off]>"


def test_state_is_made_once_per_upstream():
    stack = build(site(), {"bulkhead": Bulkhead(), "breaker": Breaker()})
    states = dict(stack.site.states)
    stack.send(get(options={"bulkhead": Bulkhead(limit=1), "breaker": Breaker(calls=1)}))
    assert stack.site.states == states


def test_closing_closes_the_transport():
    stack = build(site())
    stack.close()
    assert stack.site.transport.closed


FORK = """
import os
from fastdag.upstream.site import Site

site = Site("up", (), None)
for _ in range(2):
    if not os.fork():
        print(site.random.uniform(0, 1), flush=True)
        os._exit(0)
    os.wait()
"""


def test_forked_workers_draw_different_lots():
    found = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=20)
    assert len(set(found.stdout.split())) == 2
