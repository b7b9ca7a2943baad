"""Balancing: who is asked, who is left alone, and for how long."""

from random import Random

import pytest

from fastdag.errors import UpstreamConnectError, UpstreamRejected
from fastdag.events import Instruments
from fastdag.upstream.call import Host
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import Breaker

from .scripted import Bench, answer, get

REFUSED = UpstreamConnectError("refused")


def bench(behave, hosts=3, **policies):
    """`behave` says what each host does, by its letter."""

    def step(call):
        end = behave(call.host.name) if callable(behave) else behave.get(call.host.name, answer())
        if isinstance(end, BaseException):
            raise end
        return end

    return Bench(step, hosts=hosts, random=Random(1), balance=Balance(), **policies)


def send(b, times=1, step=0.0):
    for _ in range(times):
        try:
            b.send()
        except Exception:
            pass
        b.clock.now += step


def asked(b, since=0):
    hosts = b.transport.hosts[since:]
    return {letter: hosts.count(f"http://{letter}:1") for letter in "abc"}


def test_one_host_is_always_the_one():
    b = bench({}, hosts=1)
    assert b.send().status_code == 200
    assert b.transport.hosts == ["http://a:1"]


def test_equal_hosts_share_the_load():
    b = bench({})
    send(b, 900)
    assert all(200 < count < 400 for count in asked(b).values())


def test_a_slow_host_gets_less():
    def behave(name):
        b.clock.now += 0.5 if name == "a" else 0.01
        return answer()

    b = bench(behave)
    send(b, 300)
    assert asked(b)["a"] < 30


def test_calls_in_flight_weigh():
    b = bench({})
    send(b, 30)
    fleet = b.site.states["balance"]
    for place in fleet.places:
        place.latency = 0.1
        place.at = b.clock.now
    fleet.places[0].in_flight = 10
    before = len(b.transport.seen)
    send(b, 100)
    assert asked(b, before)["a"] == 0


def test_five_failures_in_a_row_eject_a_host_and_time_brings_it_back():
    b = bench({"a": REFUSED})
    fleet = b.site.states["balance"]
    place = fleet.places[0]
    for _ in range(5):
        fleet.failed(place, b.clock.now)
    assert b.told("host.ejected") == [{"upstream": "up", "host": "http://a:1", "seconds": 5.0}]
    before = len(b.transport.seen)
    send(b, 50)
    assert asked(b, before)["a"] == 0
    b.clock.now += 5
    send(b)
    assert b.told("host.returned") == [{"upstream": "up", "host": "http://a:1"}]
    assert place.back is None


def test_ejections_grow_and_end():
    b = bench({})
    fleet = b.site.states["balance"]
    place = fleet.places[0]
    away = []
    for _ in range(6):
        for _ in range(5):
            fleet.failed(place, b.clock.now)
        away.append(place.back - b.clock.now)
        b.clock.now = place.back
        fleet.order((), b.clock.now)
    assert away == [5, 10, 20, 40, 60, 60]
    fleet.worked(place, 0.01, b.clock.now)
    assert place.ejections == 0


def test_a_late_success_does_not_end_an_ejection():
    b = bench({})
    fleet = b.site.states["balance"]
    place = fleet.places[0]
    for _ in range(5):
        fleet.failed(place, b.clock.now)
    fleet.worked(place, 0.01, b.clock.now)
    assert (place.back, place.ejections) == (b.clock.now + 5, 1)


def test_never_all_of_them():
    b = bench(lambda name: REFUSED)
    b.site.instruments = Instruments()  # nobody listens, and all the same
    send(b, 200)
    ejected = [place for place in b.site.states["balance"].places if place.back is not None]
    assert len(ejected) == 2


def test_answers_of_500_are_failures_and_of_400_are_not():
    def behave(name):
        b.clock.now += 1.5  # longer than a host that failed is avoided
        return answer(500 if name == "a" else 404)

    b = bench(behave, hosts=2)
    send(b, 60)
    assert {fields["host"] for fields in b.told("host.ejected")} == {"http://a:1"}


def test_a_failure_is_no_speed():
    b = bench({"a": answer(500)}, hosts=2)
    fleet = b.site.states["balance"]
    fleet.failed(fleet.places[0], b.clock.now)
    fleet.worked(fleet.places[1], 0.1, b.clock.now)
    assert fleet.order((), b.clock.now)[0] is fleet.places[1]


@pytest.mark.parametrize(("failures", "away"), [(1, 1.0), (5, 5.0)])
def test_a_host_that_works_again_is_asked_again(failures, away):
    """After a second, or its ejection: what it failed is not remembered as a latency, which would take a minute."""

    def behave(name):
        b.clock.now += 0.005
        return answer()

    b = bench(behave, hosts=2)
    fleet = b.site.states["balance"]
    for place in fleet.places:
        fleet.worked(place, 0.005, b.clock.now)
    over = b.clock.now + away
    for _ in range(failures):
        fleet.failed(fleet.places[0], b.clock.now)
    before = len(b.transport.seen)
    send(b, 50)
    assert asked(b, before)["a"] == 0
    b.clock.now = over
    send(b, 50)
    assert asked(b, before)["a"] > 0


def test_hosts_that_were_tried_come_last():
    b = bench({})
    a, other, last = b.site.hosts
    for _ in range(20):
        call = get()
        call.tried = (a, other)
        b.send(call)
    assert set(b.transport.hosts) == {last.url}


def test_where_a_breaker_rejects_another_host_is_asked():
    b = bench({"a": REFUSED}, hosts=2, breaker=Breaker())
    b.site.states["breaker"].by_url["http://a:1"].go("force_open")
    for _ in range(50):
        assert b.send().status_code == 200
    assert set(b.transport.hosts) == {"http://b:1"}


def test_only_when_all_reject_the_call_is_rejected():
    b = bench({}, breaker=Breaker())
    b.stack.circuits.force_open()
    with pytest.raises(UpstreamRejected):
        b.send()
    assert b.transport.seen == []


def test_other_rejections_are_not_asked_elsewhere():
    b = bench(lambda name: UpstreamRejected("full", reason="bulkhead_full"))
    with pytest.raises(UpstreamRejected):
        b.send()
    assert len(b.transport.seen) == 1


def test_nothing_stays_in_flight():
    b = bench(lambda name: KeyboardInterrupt())
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            b.send()
    assert all(place["in_flight"] == 0 for place in b.site.states["balance"].describe().values())


def test_the_host_is_set_on_the_call():
    b = bench({}, hosts=2)
    call = get()
    b.send(call)
    assert isinstance(call.host, Host)
    assert call.tried == (call.host,)
