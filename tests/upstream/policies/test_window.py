"""A rolling window counts what is young enough, and nothing else."""

import pytest

from fastdag.upstream.policies.window import Window


def test_counts_all_and_some():
    window = Window(10, 0)
    window.count(0)
    window.count(0.5, marked=True)
    assert window.recent(0.5) == (2, 1)


@pytest.mark.parametrize(("later", "left"), [(8.9, 1), (10.0, 0), (1e9, 0)])
def test_forgets_within_its_last_tenth(later, left):
    window = Window(10, 0)
    window.count(0)
    assert window.recent(later) == (left, 0)


def test_forgets_part_by_part():
    window = Window(10, 0)
    for second in range(20):
        window.count(second + 0.5)
    assert window.recent(19.9) == (10, 0)
    assert window.recent(24.9) == (5, 0)
