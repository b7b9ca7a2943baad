"""All policies at once, under callers that come, go and are killed: whatever happens, nothing stays taken."""

import time
from random import Random

import gevent
import pytest

from fastdag.errors import UpstreamConnectError, UpstreamError, UpstreamTimeout
from fastdag.upstream.policies.attempt import Attempt
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead
from fastdag.upstream.policies.cache import Cache
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.hedge import Hedge
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.policies.total import Total
from tests.machine import until

from .scripted import Bench, answer, get


class Weather:
    """A transport step: fast or slow, good or bad, and never past the call's deadline."""

    def __init__(self, random):
        self.random = random

    def __call__(self, call):
        random = self.random
        seconds = random.choice([0, 0, 0.001, 0.003, 0.02])
        left = call.deadline - time.monotonic()
        gevent.sleep(max(0.0, min(seconds, left)))
        if seconds > left:
            raise UpstreamTimeout("late")
        return random.choice([self.good, self.good, self.bad, self.refused])()

    def good(self):
        return answer(200, b"{}", Content_Type="application/json")

    def bad(self):
        return answer(503)

    def refused(self):
        raise UpstreamConnectError("refused", sent=self.random.random() < 0.5)


def ask(b, call):
    try:
        return b.send(call)
    except UpstreamError as error:
        return error


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hosts", [1, 3])
def test_nothing_stays_taken(seed, hosts):
    random = Random(seed)
    b = Bench(
        Weather(random),
        hosts=hosts,
        clock=time.monotonic,
        random=random,
        site={"timeout": 0.05, "attempt_timeout": 0.01},
        cache=Cache(0.005, stale_while_revalidate=0.005, stale_if_error=0.01),
        coalesce=Coalesce(),
        timeout=Total(),
        hedge=Hedge(after=0.002, extra=0.5),
        retry=Retry(backoff=0.001, budget=1.0),
        balance=Balance(),
        breaker=Breaker(open=0.002, max_open=0.004, consecutive=3),
        bulkhead=Bulkhead(limit=4, queue=8, wait=0.004),
        attempt=Attempt(),
    )
    callers = []
    for number in range(300):
        call = get(f"/{random.randrange(6)}", deadline=time.monotonic() + random.choice([0.001, 0.01, 0.1]))
        callers.append(gevent.spawn(ask, b, call))
        if number % 7 == 0:
            random.choice(callers).kill(block=False)
        if number % 10 == 0:
            gevent.sleep(random.choice([0, 0.001, 0.004]))
    gevent.joinall(callers, raise_error=True, timeout=5)
    states = b.site.states
    slots, refreshes = states["bulkhead"], states["cache"].refreshes
    until(lambda: not (refreshes or slots.in_flight or slots.waiting), seconds=5)  # refreshes and losers have ended
    assert not states["coalesce"].by_key
    assert all(circuit.probe is None for circuit in states["breaker"].by_url.values())
    if hosts > 1:
        assert all(place.in_flight == 0 for place in states["balance"].places)
    b.transport.steps = [answer()]
    gevent.sleep(0.005)
    for _ in range(3):  # probes first, where breakers are open
        assert b.send(get("/healthy", options={"cache": None, "bulkhead": None})).status_code == 200
