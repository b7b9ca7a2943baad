"""What every test gets: a patched standard library, and a look at what it left running."""

from gevent import monkey

monkey.patch_all()

import gc
import time
from collections.abc import Iterator
from weakref import WeakSet

import gevent
import pytest

pytest_plugins = ["pytest_fastdag"]


def _running() -> list[gevent.Greenlet]:
    return [found for found in gc.get_objects() if isinstance(found, gevent.Greenlet) and not found.dead]


def _started_by_a_server(found: gevent.Greenlet) -> bool:
    # gevent's servers start one greenlet per connection, from the loop. They end with their server, and that is the
    # business of the fixture that made it, which may serve a whole module.
    return found.spawning_greenlet() is gevent.get_hub()


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Fails a test that hangs, and says where; far more than the slowest takes on a machine that is busy."""
    # Without a reference: that nothing else is left to happen is still told at once, by a LoopExit.
    with gevent.Timeout(300, ref=False):
        yield


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """Fails a test that leaves a greenlet behind; what is about to end has some seconds to do so."""
    before = WeakSet(_running())
    yield
    patience = time.monotonic() + 5
    while left := [g for g in _running() if g not in before and not _started_by_a_server(g)]:
        if time.monotonic() > patience:
            pytest.fail(f"left running: {left}")
        gevent.sleep(0.01)
    # What is left by now stays. `_running` need not look through all of it around every test, most of its time.
    gc.collect()
    gc.freeze()
