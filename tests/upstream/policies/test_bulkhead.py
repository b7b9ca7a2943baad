"""The bulkhead: how many are in flight, who waits, and that no slot is lost."""

import gevent
import gevent.event
import pytest

from fastdag.errors import UpstreamRejected, UpstreamTimeout
from fastdag.events import Instruments
from fastdag.upstream.policies.breaker import CLOSED, Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead

from .scripted import Bench, answer, get


class Gate:
    """A transport step that holds its calls until it is opened."""

    def __init__(self):
        self.event = gevent.event.Event()
        self.now = self.most = 0

    def __call__(self, call):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            self.event.wait()
            return answer()
        finally:
            self.now -= 1


def bench(gate, **options):
    return Bench(gate, bulkhead=Bulkhead(**options))


def slots(b):
    return b.site.states["bulkhead"]


def start(b, calls, **call):
    callers = [gevent.spawn(end_of, b, get(**call)) for _ in range(calls)]
    gevent.sleep(0)
    return callers


def end_of(b, call):
    try:
        return b.send(call)
    except Exception as error:
        return error


def test_more_than_the_limit_wait_and_are_served_in_their_order():
    gate = Gate()
    b = bench(gate, limit=2, wait=30)
    served = []
    b.transport.steps = [lambda call: (served.append(call.target), gate(call))[1]]
    callers = [gevent.spawn(b.send, get(f"/{n}")) for n in range(5)]
    gevent.sleep(0)
    assert slots(b).describe() == {"in_flight": 2, "waiting": 3, "rejected": 0}
    gate.event.set()
    gevent.joinall(callers)
    assert served == [f"/{n}" for n in range(5)]
    assert gate.most == 2
    assert slots(b).describe() == {"in_flight": 0, "waiting": 0, "rejected": 0}


def test_who_waited_too_long_is_rejected():
    gate = Gate()
    b = bench(gate, limit=1, wait=0.01)
    first, second = start(b, 2)
    second.join()
    assert isinstance(second.value, UpstreamRejected)
    assert (second.value.reason, second.value.retry_after) == ("bulkhead_full", 1.0)
    assert b.told("bulkhead.rejected") == [{"upstream": "up", "in_flight": 1, "waiting": 0, "rejected": 1}]
    gate.event.set()
    first.join()
    assert slots(b).in_flight == 0


def test_a_full_queue_rejects_at_once():
    gate = Gate()
    b = bench(gate, limit=1, queue=1, wait=30)
    callers = start(b, 3)
    assert isinstance(callers[2].value, UpstreamRejected)
    assert slots(b).waiting
    gate.event.set()
    gevent.joinall(callers)


def test_nobody_waits_past_its_deadline():
    gate = Gate()
    b = bench(gate, limit=1, wait=30)
    first, second = start(b, 2, deadline=b.clock.now + 0.01)
    second.join()
    assert isinstance(second.value, UpstreamTimeout)
    assert not second.value.sent
    gate.event.set()
    first.join()


def test_who_has_little_time_may_still_be_served():
    gate = Gate()
    b = bench(gate, limit=1, wait=60)
    callers = start(b, 2, deadline=b.clock.now + 30)
    gate.event.set()
    gevent.joinall(callers)
    assert callers[1].value.status_code == 200


def test_a_killed_waiter_leaves_the_queue():
    gate = Gate()
    b = bench(gate, limit=1, wait=30)
    first, second, third = start(b, 3)
    second.kill()
    assert len(slots(b).waiting) == 1
    gate.event.set()
    gevent.joinall([first, third])
    assert third.value.status_code == 200
    assert slots(b).in_flight == 0


@pytest.mark.parametrize("end", [gevent.Timeout(), gevent.GreenletExit()])
def test_a_caller_that_gives_up_waiting_is_no_failure_of_the_host(end):
    """Whatever the reason, a timeout of its own or the end of its run: the host was never asked."""
    gate = Gate()
    b = Bench(gate, bulkhead=Bulkhead(limit=1, wait=30), breaker=Breaker(consecutive=1))
    (host,) = b.site.hosts
    (first,) = start(b, 1, host=host)
    (second,) = start(b, 1, host=host, deadline=b.site.clock() + 10)
    assert slots(b).describe() == {"in_flight": 1, "waiting": 1, "rejected": 0}
    b.clock.now += 20
    second.kill(end)
    assert b.site.states["breaker"].by_url[host.url].state == CLOSED
    gate.event.set()
    first.get()


def test_a_waiter_that_is_killed_as_its_slot_comes_free_passes_it_on():
    gate = Gate()
    b = bench(gate, limit=1, wait=30)
    first, second, third = start(b, 3)
    gate.event.set()
    first.join()  # the slot's next owner has been called in the same turn of the loop
    second.kill()
    third.join()
    assert third.value.status_code == 200
    assert slots(b).describe() == {"in_flight": 0, "waiting": 0, "rejected": 0}


@pytest.mark.parametrize("end", [ValueError(), gevent.GreenletExit(), KeyboardInterrupt()])
def test_every_exit_gives_the_slot_back(end):
    b = Bench(end, bulkhead=Bulkhead(limit=1, wait=0))
    for _ in range(3):
        with pytest.raises(type(end)):
            b.send()
    assert slots(b).in_flight == 0


def test_overrides_count_the_same_slots():
    gate = Gate()
    b = bench(gate, limit=1, wait=0)
    (first,) = start(b, 1)
    assert isinstance(end_of(b, get()), UpstreamRejected)
    (second,) = start(b, 1, options={"bulkhead": Bulkhead(limit=2, wait=0)})
    assert slots(b).in_flight == 2
    gate.event.set()
    gevent.joinall([first, second])


def test_a_slot_that_is_free_under_a_larger_limit_only_is_not_for_those_under_the_smaller():
    gates = [Gate(), Gate(), Gate()]
    b = bench(gates[0], limit=1, wait=30)
    b.transport.steps = gates.copy()
    (first,) = start(b, 1)
    (second,) = start(b, 1, options={"bulkhead": Bulkhead(limit=2)})
    (third,) = start(b, 1)
    gates[0].event.set()
    first.join()
    gevent.sleep(0)
    assert slots(b).describe() == {"in_flight": 1, "waiting": 1, "rejected": 0}
    gates[1].event.set()
    gates[2].event.set()
    gevent.joinall([second, third])
    assert third.value.status_code == 200


def test_slots_that_come_free_together_go_to_as_many():
    gates = [Gate(), Gate()]
    b = bench(gates[0], limit=2, wait=30)
    b.transport.steps = [gates[0], gates[0], gates[1]]
    callers = start(b, 5)
    gates[0].event.set()
    gevent.joinall(callers[:2])
    gevent.sleep(0)
    assert slots(b).describe() == {"in_flight": 2, "waiting": 1, "rejected": 0}
    gates[1].event.set()
    gevent.joinall(callers)


def test_who_comes_while_others_wait_stands_behind_them():
    gate = Gate()
    b = bench(gate, limit=1, wait=30)
    start(b, 2)
    served = []
    b.transport.steps = [lambda call: (served.append(call.target), answer())[1]]
    gate.event.set()
    newcomer = gevent.spawn(b.send, get("/new"))
    newcomer.join()
    assert served == ["/x", "/new"]


def in_a_thread(b):
    """A call from another thread, with a loop of its own."""

    def call():
        try:
            return b.send().status_code
        finally:
            gevent.get_hub().destroy(destroy_loop=True)

    return gevent.get_hub().threadpool.spawn(call)


def test_waiters_of_several_threads_are_woken_in_their_own_loops():
    gate = Gate()
    b = bench(gate, limit=1, wait=30)
    b.transport.steps = [gate, answer()]
    (first,) = start(b, 1)
    other = in_a_thread(b)
    while not slots(b).waiting:
        gevent.sleep(0.001)
    (last,) = start(b, 1)
    gate.event.set()
    assert other.get() == 200
    gevent.joinall([first, last])
    assert slots(b).describe() == {"in_flight": 0, "waiting": 0, "rejected": 0}


def test_where_the_next_in_line_belongs_to_another_loop_that_loop_is_asked():
    gates = [Gate(), Gate()]
    b = bench(gates[0], limit=2, wait=30)
    b.transport.steps = [gates[0], gates[0], gates[1], answer()]
    holders = start(b, 2)
    (mine,) = start(b, 1)
    other = in_a_thread(b)
    while len(slots(b).waiting) < 2:
        gevent.sleep(0.001)
    gates[0].event.set()  # two slots come free; the first waiter is ours and keeps its own
    assert other.get() == 200
    gates[1].event.set()
    gevent.joinall([*holders, mine])


def test_without_listeners_nothing_is_told():
    b = Bench(bulkhead=Bulkhead(limit=1, wait=0))
    b.site.instruments = Instruments()
    slots(b).in_flight = 1
    assert isinstance(end_of(b, get()), UpstreamRejected)
    assert b.events == []


@pytest.mark.parametrize("options", [{"limit": 0}, {"queue": -1}, {"wait": -1}, {"wait": None}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        Bulkhead(**options)
