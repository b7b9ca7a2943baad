"""How hard a process is pressed, in one number."""

import pytest

from fastdag.pressure import Pressure, pressure


@pytest.mark.parametrize(
    ("lag", "fill", "level"),
    [(0, 0, 0), (0.05, 0.5, 0), (0, 0.75, 0.5), (0.075, 0, 0.5), (0.2, 0.1, 1), (0, 1, 1), (0.075, 1, 1)],
)
def test_the_worse_of_lag_and_fill_counts_from_half_way_on(lag, fill, level):
    reading = Pressure()
    reading.lag, reading.fill = lag, fill
    assert reading.level == pytest.approx(level)


def test_a_loop_has_one_reading_and_it_starts_calm():
    assert pressure() is pressure()
    assert pressure().level == 0
    assert repr(Pressure()) == "<Pressure 0.00: loop 0 ms late, admission 0% taken>"
