"""The arithmetic of the capacity model, beside what is known from queueing theory and can be worked out by hand."""

import pytest

from benchmarks.model import Costs, Fleet, Page, closed, growth, layout
from fastdag import Breaker, Bulkhead, Retry

SMALL, LARGE = Page(10, 1.0), Page(4, 10.0, 0.02)
COSTS = Costs(request=100e-6, call=40e-6, kilobyte=10e-6, pause=80e-6, upstream=20e-6, load=50e-6)


def test_a_request_costs_its_calls_and_their_bytes():
    assert COSTS.worker(Page(0, 0)) == pytest.approx(100e-6)
    assert COSTS.worker(SMALL) == pytest.approx(600e-6)
    assert COSTS.worker(Page(4, 10.0)) == pytest.approx(660e-6)
    assert COSTS.worker(LARGE) == pytest.approx(740e-6)
    assert COSTS.around(LARGE) == pytest.approx((80e-6, 50e-6))


def test_what_was_fitted_gives_back_what_it_was_fitted_on():
    fitted = Costs.fitted(SMALL, none=100e-6, whole=600e-6, late=680e-6, kilobyte=10e-6, upstream=200e-6, load=50e-6)
    assert fitted.worker(SMALL) == pytest.approx(600e-6)
    assert fitted.worker(Page(10, 1.0, 0.02)) == pytest.approx(680e-6)
    assert (fitted.call, fitted.pause, fitted.upstream) == pytest.approx((COSTS.call, COSTS.pause, COSTS.upstream))


def test_more_workers_make_everything_dearer_by_as_much_as_the_request_that_was_measured():
    one, factors = growth({1: 600e-6, 2: 660e-6})
    assert one == pytest.approx(600e-6)
    dearer = COSTS.with_growth(factors)
    assert dearer.worker(LARGE, 1) == COSTS.worker(LARGE)
    assert dearer.worker(LARGE, 2) == pytest.approx(1.1 * 740e-6)
    assert dearer.around(LARGE, 2) == pytest.approx((1.1 * 80e-6, 1.1 * 50e-6))


def test_one_bad_measurement_bends_the_line_little_and_none_makes_more_workers_cheaper():
    assert growth({1: 600e-6}) == (600e-6, {1: 1})
    one, factors = growth({1: 900e-6, 2: 600e-6, 3: 600e-6, 4: 600e-6})
    assert one == pytest.approx(675e-6)
    assert set(factors.values()) == {1}
    one, factors = growth({1: 600e-6, 2: 600e-6, 3: 700e-6, 4: 600e-6})
    assert one == pytest.approx(610e-6)
    assert factors[4] == pytest.approx(640 / 610)


@pytest.mark.parametrize(
    ("workers", "demands"),
    [
        (1, [740e-6, 80e-6, 50e-6]),
        (2, [370e-6, 370e-6, 80e-6, 50e-6]),
        (3, [740e-6 / 3] * 3 + [130e-6]),
        (4, [870e-6 / 4] * 4),
    ],
)
def test_workers_have_cores_of_their_own_while_there_are_some(workers, demands):
    assert layout(COSTS, LARGE, workers=workers, cores=4) == pytest.approx(demands)


def test_what_strangers_take_of_the_workers_cores_makes_them_slower():
    assert layout(COSTS, LARGE, workers=2, cores=4, lost=0.5)[:2] == pytest.approx([740e-6 / 1.5] * 2)
    assert layout(COSTS, LARGE, workers=4, cores=4, lost=1.0) == pytest.approx([870e-6 / 3] * 4)


def test_one_connection_waits_for_nobody():
    alone = closed(1, [0.001, 0.002], wait=0.02)
    assert alone.seconds == pytest.approx(0.023)
    assert alone.rate == pytest.approx(1 / 0.023)


def test_two_connections_at_one_station_are_worked_out_by_hand():
    # The second finds what one alone leaves there: 1 / (0.02 + 0.01) * 0.01 of a customer.
    assert closed(2, [0.01], wait=0.02).seconds == pytest.approx(0.02 + 0.01 * (1 + 1 / 3))


def test_many_connections_fill_the_busiest_station_and_never_more():
    rates = [closed(number, [0.001, 0.0002], wait=0.02).rate for number in (1, 10, 21, 100, 1000)]
    assert rates == sorted(rates)
    assert rates[-1] == pytest.approx(1000, rel=1e-6)
    assert all(rate <= 1000 for rate in rates)


@pytest.mark.parametrize("connections", [1, 7, 64])
def test_littles_law_holds(connections):
    found = closed(connections, [0.001, 0.0005], wait=0.02)
    assert found.rate * found.seconds == pytest.approx(connections)


def test_a_fleet_has_as_many_workers_as_its_load_fills():
    fleet = Fleet(COSTS, SMALL, rate=1e6, busy=0.6, cores=32)
    assert fleet.workers == 1000
    assert fleet.machines == 32
    assert fleet.rows()["upstream calls per second"] == 1e7
    assert fleet.rows()["calls in flight, a connection each"] == pytest.approx(1e7 * 0.02)
    assert fleet.rows()["connections to an upstream that stalls"] == 256_000
    assert fleet.shares(1e6) == (1000, 32_000, 1e6)


def test_a_fleet_knows_the_defaults_of_the_policies():
    fleet = Fleet(COSTS, SMALL)
    assert fleet.bulkhead == Bulkhead().limit
    assert (fleet.consecutive, fleet.open) == (Breaker().consecutive, Breaker().open)
    assert fleet.retries == Retry().budget_per_second
