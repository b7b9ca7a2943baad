"""Workers that share a store refresh together: one asks, the others go on with what is there."""

import gevent
import gevent.event
import pytest

from tests.upstream.policies.scripted import Clock, answer


class Slow:
    """An upstream that answers when it is told to, and counts its calls."""

    def __init__(self):
        self.calls = 0
        self.go = gevent.event.Event()
        self.go.set()
        self.asked = gevent.event.Event()

    def __call__(self, call):
        self.calls += 1
        self.asked.set()
        self.go.wait()
        return answer(200, str(self.calls).encode())


@pytest.fixture
def workers(worker):
    """Four workers of one service, whose clock is turned by hand; only the server's runs by itself."""
    clock, upstream = Clock(), Slow()
    made = [worker(upstream, clock=None, ttl=10, stale_while_revalidate=1000) for _ in range(4)]
    for bench in made:
        bench.site.clock = bench.site.wall = clock
    return made, clock, upstream


def settle(workers):
    """All refreshes have ended."""
    gevent.joinall([refresh for bench in workers for refresh in bench.stack.vault.refreshes.values()], timeout=10)


def test_one_of_all_workers_refreshes_and_nobody_waits(workers):
    made, clock, upstream = workers
    assert [bench.send().content for bench in made] == [b"1"] * 4
    clock.now += 20
    upstream.go.clear()
    upstream.asked.clear()
    assert [bench.send().content for bench in made] == [b"1"] * 4  # stale, at once
    assert upstream.asked.wait(10)
    gevent.joinall([gevent.spawn(bench.send) for bench in made], timeout=10)
    upstream.go.set()
    settle(made)
    assert upstream.calls == 2
    assert [bench.send().content for bench in made] == [b"2"] * 4


class Held:
    """A store whose claims wait."""

    def __init__(self, store):
        self.store = store
        self.go = gevent.event.Event()

    def __getattr__(self, name):
        return getattr(self.store, name)

    def claim(self, *key):
        self.go.wait()
        return self.store.claim(*key)


def test_who_claims_when_it_is_done_asks_no_more(workers):
    made, clock, upstream = workers
    held = made[1].stack.vault.store = Held(made[1].stack.vault.store)
    made[0].send()
    clock.now += 20
    assert made[1].send().content == b"1"  # stale, and about to be refreshed
    assert made[0].send().content == b"1"
    settle(made[:1])
    held.go.set()
    settle(made)
    assert upstream.calls == 2


def test_a_purge_by_one_worker_holds_for_all(workers):
    made, clock, _ = workers
    made[0].send()
    clock.now += 1
    made[1].stack.vault.purge("/x")
    clock.now += 1
    assert [bench.send().content for bench in made] == [b"2"] * 4


def test_what_another_worker_is_fetching_while_purging_is_not_given(workers):
    made, clock, upstream = workers
    upstream.go.clear()
    upstream.asked.clear()
    fetching = gevent.spawn(made[0].send)
    assert upstream.asked.wait(10)
    clock.now += 1
    made[1].stack.vault.purge("/x")
    clock.now += 1
    upstream.go.set()
    assert fetching.get(timeout=10).content == b"1"
    clock.now += 1
    assert made[2].send().content == b"2"
