"""The collector of a worker, and whoever set it up before."""

import gc

import pytest

from fastdag.server.garbage import spare_collector


@pytest.fixture(autouse=True)
def _as_it_was():
    before, enabled = gc.get_threshold(), gc.isenabled()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    (gc.enable if enabled else gc.disable)()


def test_what_is_loaded_is_left_alone_and_the_rest_looked_at_less_often():
    before = gc.get_threshold()
    spare_collector()
    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold()[0] > 5 * before[0]


def test_a_circle_is_still_found():
    spare_collector()
    found = []

    class Circle:
        def __del__(self):
            found.append(True)

    circle = Circle()
    circle.self = circle
    del circle
    gc.collect()
    assert found


@pytest.mark.parametrize("choose", [lambda: gc.set_threshold(5000, 3, 3), gc.disable])
def test_whoever_set_it_up_has_it_so(choose):
    choose()
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    spare_collector()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, frozen)
