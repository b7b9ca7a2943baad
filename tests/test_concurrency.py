"""The one door to gevent: one-shot waits, and a crew of greenlets that carries nothing over."""

import signal
import sys
import weakref

import gevent
import greenlet
import pytest
from gevent.event import Event

from fastdag import concurrency
from fastdag.concurrency import Crew, Waiter, crew, from_signal_handler, get_hub, wait_at_most


def in_the_hub(function, *args):
    get_hub().loop.run_callback(function, *args)


# -- Waiter


def test_a_waiter_brings_a_value():
    waiter = Waiter()
    in_the_hub(waiter.wake, 5)
    assert waiter.wait() == 5


def test_a_waiter_brings_an_error():
    waiter = Waiter()
    in_the_hub(waiter.fail, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        waiter.wait()


def test_a_waiter_may_be_woken_before_it_waits():
    waiter = Waiter()
    assert waiter.wake(5) is True
    assert waiter.wait() == 5


def test_only_the_first_wakes():
    waiter, said = Waiter(), []

    def both():
        said.append(waiter.wake(1))
        said.append(waiter.wake(2))
        said.append(waiter.fail(ValueError()))

    in_the_hub(both)
    assert waiter.wait() == 1
    gevent.sleep(0)
    assert said == [True, False, False]


def test_a_kill_claims_the_waiter():
    waiter = Waiter()
    waiting = gevent.spawn(waiter.wait)
    gevent.sleep(0)
    waiting.kill()
    assert waiter.wake(1) is False


def test_a_stray_switch_does_not_end_a_wait():
    waiter = Waiter()
    in_the_hub(greenlet.getcurrent().switch)
    gevent.get_hub().loop.run_callback(in_the_hub, waiter.wake, 7)
    assert waiter.wait() == 7


def test_waiting_has_an_end():
    assert wait_at_most(Waiter(), 0.001, "late") == "late"
    assert wait_at_most(Waiter(), -1, "late") == "late"
    waiter = Waiter()
    in_the_hub(waiter.wake, "in time")
    assert wait_at_most(waiter, 5, "late") == "in time"


# -- Crew


def run_in(members, task):
    """Run a task in a crew and return the greenlet it ran in, weakly."""
    ran = []

    def wrapped():
        ran.append(weakref.ref(greenlet.getcurrent()))
        return task()

    in_the_hub(members.run, wrapped)
    gevent.sleep(0)
    return ran.pop()


@pytest.fixture
def members():
    found = Crew(get_hub(), limit=4)
    yield found
    in_the_hub(lambda: [member.switch(None) for member in tuple(found._idle)])
    gevent.sleep(0)
    assert all(member.dead for member in found._idle)


@pytest.mark.skipif(sys.gettrace() is not None, reason="a tracer keeps hold of every greenlet")
def test_a_member_that_nobody_kept_is_used_again(members):
    ran = []
    for _ in range(3):
        in_the_hub(members.run, lambda: ran.append(id(greenlet.getcurrent())))
        gevent.sleep(0)
    assert len(set(ran)) == 1
    assert len(members._idle) == 1


@pytest.mark.parametrize("how", ["strong", "weak", "attribute"])
def test_a_member_that_somebody_knows_is_dropped(members, how):
    kept, ran = [], []

    def task():
        me = greenlet.getcurrent()
        ran.append(me)
        if how == "strong":
            kept.append(me)
        elif how == "weak":
            kept.append(weakref.ref(me))
        else:
            me.note = "mine"

    in_the_hub(members.run, task)
    gevent.sleep(0)
    first = id(ran.pop())
    in_the_hub(members.run, lambda: ran.append(id(greenlet.getcurrent())))
    gevent.sleep(0)
    assert ran != [first]
    kept.clear()


def test_a_task_that_returns_true_uses_its_member_up(members):
    assert run_in(members, lambda: True)() is None
    assert len(members._idle) == 0


def test_no_more_members_than_the_limit_wait(members):
    go = Event()
    for _ in range(10):
        in_the_hub(members.run, lambda: go.wait() and None)
    gevent.sleep(0)  # all of them have begun
    go.set()
    gevent.sleep(0)
    assert len(members._idle) == 4


def test_a_member_that_died_while_parked_runs_nothing(members):
    ran = []
    in_the_hub(members.run, lambda: None)
    gevent.sleep(0)
    in_the_hub(lambda: members._idle[0].throw(ValueError("a timer somebody forgot")))
    gevent.sleep(0)
    in_the_hub(members.run, lambda: ran.append(True))
    gevent.sleep(0)
    assert ran == [True]


def test_every_hub_has_one_crew():
    assert crew() is crew()


# -- signals and patching


def test_an_error_from_a_signal_handler_is_told_from_others():
    def handler(*_args):
        raise SystemExit(1)

    def somewhere_else():
        raise SystemExit(1)

    before = signal.signal(signal.SIGUSR2, handler)
    try:
        for raises, expected in ((lambda: signal.raise_signal(signal.SIGUSR2), True), (somewhere_else, False)):
            with pytest.raises(SystemExit) as stopped:
                raises()
            assert from_signal_handler(stopped.value) is expected
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_a_method_can_be_a_signal_handler():
    class Server:
        def stop(self, *_args):
            raise SystemExit(0)

    before = signal.signal(signal.SIGUSR2, Server().stop)
    try:
        with pytest.raises(SystemExit) as stopped:
            signal.raise_signal(signal.SIGUSR2)
        assert from_signal_handler(stopped.value)
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_tests_run_patched():
    assert concurrency.is_patched()
