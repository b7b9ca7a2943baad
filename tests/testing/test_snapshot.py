"""Snapshots: what they say when they differ, and who writes them."""

import pytest

from fastdag.testing import check_snapshot


@pytest.fixture
def file(tmp_path):
    return tmp_path / "snapshots" / "table.md"


def test_what_was_written_is_what_is_compared(file):
    check_snapshot("a\nb é\n", file, update=True)
    check_snapshot("a\nb é\n", file, update=False)


def test_a_difference_is_shown(file):
    check_snapshot("a\nb\n", file, update=True)
    with pytest.raises(AssertionError) as info:
        check_snapshot("a\nc\n", file, update=False)
    lines = str(info.value).splitlines()
    assert {"-b", "+c"} <= set(lines)
    assert lines[-1] == "if this is meant, run pytest --fastdag-update"


def test_a_snapshot_that_nobody_took_is_no_success(file):
    with pytest.raises(AssertionError, match="run pytest --fastdag-update, look at it, and commit it"):
        check_snapshot("a", file, update=False)
    assert not file.exists()
