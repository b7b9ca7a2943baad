"""The simulation of a fleet, beside what queueing theory says of the same queues."""

import pytest

from benchmarks.fleet import BALANCERS, Outage, simulate

SERVICE = 0.001


@pytest.mark.parametrize(("busy", "near"), [(0.5, 0.02), (0.7, 0.02), (0.9, 0.1)])
def test_one_worker_is_the_queue_whose_formula_is_known(busy, near):
    # M/D/1 (Pollaczek and Khinchine): the mean wait is rho * service / (2 * (1 - rho)).
    seen = simulate(workers=1, service=SERVICE, busy=busy, requests=400_000, limit=10_000)
    assert seen.mean() - SERVICE == pytest.approx(busy * SERVICE / (2 * (1 - busy)), rel=near)


def test_workers_that_are_picked_at_random_are_such_queues_each():
    seen = simulate(workers=8, service=SERVICE, busy=0.7, requests=400_000, balancer="random")
    assert seen.mean() - SERVICE == pytest.approx(0.7 * SERVICE / (2 * 0.3), rel=0.02)


def test_the_more_a_balancer_knows_the_less_is_waited():
    seen = {
        name: simulate(workers=16, service=SERVICE, busy=0.8, requests=50_000, balancer=name) for name in BALANCERS
    }
    assert seen["random"].mean() > seen["two choices"].mean() > seen["least loaded"].mean()
    assert seen["random"].mean() > seen["round robin"].mean()


def test_the_same_seed_gives_the_same_latencies():
    runs = [simulate(workers=4, service=SERVICE, busy=0.7, requests=1000, seed=seed) for seed in (7, 7, 8)]
    assert runs[0].latencies == runs[1].latencies != runs[2].latencies


def test_what_upstreams_take_is_waited_for_by_nobody_else():
    quick = simulate(workers=2, service=SERVICE, busy=0.7, requests=5000)
    slow = simulate(workers=2, service=SERVICE, busy=0.7, requests=5000, upstream=0.02)
    assert slow.mean() == pytest.approx(quick.mean() + 0.02)


def test_an_outage_that_leaves_enough_workers_is_survived_and_one_that_does_not_is_refused():
    middle = 20_000 * SERVICE / (0.7 * 4) / 2
    enough = simulate(workers=4, service=SERVICE, busy=0.7, requests=20_000, outage=Outage(middle, 1))
    short = simulate(workers=4, service=SERVICE, busy=0.7, requests=20_000, outage=Outage(middle, 2))
    assert enough.refused == 0
    assert enough.percentile(0.99, after=middle) > enough.percentile(0.99, until=middle)
    # Two workers can do 2 of the 2.8 that come; the queues take some before they are full.
    assert short.refused == pytest.approx(10_000 * 0.8 / 2.8 - 2 * 256, rel=0.1)


def test_percentiles_are_of_the_requests_that_arrived_then():
    seen = simulate(workers=1, service=SERVICE, busy=0.9, requests=1000)
    everything = sorted(latency for _, latency in seen.latencies)
    assert seen.percentile(0.5) == everything[500]
    assert seen.percentile(1.0) == everything[-1]
    begin = seen.latencies[900][0]
    assert seen.percentile(0.0, after=begin) == min(latency for arrived, latency in seen.latencies[900:])
