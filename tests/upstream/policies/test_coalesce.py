"""Coalescing: who shares a call with whom, and who does not end with it."""

import time

import gevent
import gevent.event
import pytest

from fastdag.errors import UpstreamConnectError, UpstreamTimeout
from fastdag.upstream.call import Call
from fastdag.upstream.policies.coalesce import Coalesce
from fastdag.upstream.policies.total import Total

from .scripted import Bench, answer, get


class Gate:
    def __init__(self, end=None):
        self.event = gevent.event.Event()
        self.end = end or answer(200, b"shared")

    def __call__(self, call):
        self.event.wait()
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


def bench(*steps, **more):
    return Bench(*steps, clock=time.monotonic, coalesce=Coalesce(), timeout=Total(), **more)


def end_of(b, call):
    try:
        return b.send(call)
    except Exception as error:
        return error


def start(b, times=1, make=get):
    callers = [gevent.spawn(end_of, b, make()) for _ in range(times)]
    gevent.sleep(0)
    return callers


def ends(callers):
    gevent.joinall(callers)
    return [caller.value for caller in callers]


def test_a_thousand_callers_make_one_call():
    gate = Gate()
    b = bench(gate)
    callers = start(b, 1000)
    assert b.site.states["coalesce"].describe() == {"flights": 1, "joined": 999}
    gate.event.set()
    assert {response.content for response in ends(callers)} == {b"shared"}
    assert len(b.transport.seen) == 1
    assert b.site.states["coalesce"].describe()["flights"] == 0


def test_nobody_can_change_what_others_got():
    gate = Gate(answer(200, b"x", ETag="1"))
    b = bench(gate)
    callers = start(b, 3)
    gate.event.set()
    one, other, last = ends(callers)
    one.headers.raw.append(("X", "1"))
    assert other.headers.raw == last.headers.raw == [("ETag", "1")]


def test_one_after_another_are_two_calls():
    b = bench(answer())
    b.send()
    gevent.sleep(0)
    b.send()
    assert len(b.transport.seen) == 2


@pytest.mark.parametrize(
    "other",
    [
        lambda: get("/y"),
        lambda: get("/x", ("Authorization", "Bearer b")),
        lambda: get("/x", ("Cookie", "sid=b")),
        lambda: get("/x", ("X-Tenant", "b")),
        lambda: get(max_bytes=10),
        lambda: Call("HEAD", "/x", []),
        lambda: Call("GET", "/x", [], b"body"),
        lambda: Call("POST", "/x", []),
        lambda: get(stream=True),
    ],
)
def test_what_differs_is_not_shared(other):
    gate = Gate()
    b = bench(gate)
    callers = start(b) + start(b, make=other)
    assert len(b.transport.seen) == 2
    gate.event.set()
    ends(callers)


def test_an_error_is_everybodys_and_each_has_one_of_its_own():
    gate = Gate(UpstreamConnectError("refused", sent=True))
    b = bench(gate)
    callers = start(b, 3)
    gate.event.set()
    errors = ends(callers)
    assert len({id(error) for error in errors}) == 3
    assert all(type(error) is UpstreamConnectError and error.sent for error in errors)
    assert errors[1].__cause__ is errors[0]
    assert len(b.transport.seen) == 1


def test_a_follower_leads_when_the_leader_is_killed():
    gate = Gate()
    b = bench(gate)
    leader, *others = start(b, 3)
    leader.kill()
    gevent.sleep(0)
    assert len(b.transport.seen) == 2
    gate.event.set()
    assert [response.content for response in ends(others)] == [b"shared", b"shared"]
    assert len(b.transport.seen) == 2


def test_a_follower_that_is_killed_too_passes_the_lead_on():
    gate = Gate()
    b = bench(gate)
    leader, second, third = start(b, 3)
    leader.kill(block=False)
    second.kill(block=False)
    gevent.joinall([leader, second])
    gevent.sleep(0)
    assert len(b.transport.seen) == 2
    gate.event.set()
    assert third.get().content == b"shared"


def test_when_all_are_killed_nothing_is_left():
    b = bench(Gate())
    callers = start(b, 3)
    gevent.killall(callers)
    gevent.sleep(0)
    assert b.site.states["coalesce"].describe()["flights"] == 0


def test_the_leader_s_own_deadline_is_not_the_followers():
    gate = Gate()

    def until_deadline(call):
        gevent.sleep(call.deadline - time.monotonic())
        raise UpstreamTimeout("late")

    b = bench(until_deadline, gate)
    leader = start(b, make=lambda: get(deadline=time.monotonic() + 0.02))
    followers = start(b, 2)
    assert isinstance(ends(leader)[0], UpstreamTimeout)
    gate.event.set()
    assert [response.content for response in ends(followers)] == [b"shared", b"shared"]
    assert len(b.transport.seen) == 2


def test_a_time_out_that_is_the_upstream_s_is_everybodys():
    gate = Gate(UpstreamTimeout("the attempt took too long"))
    b = bench(gate)
    callers = start(b, 3, make=lambda: get(deadline=time.monotonic() + 30))
    gate.event.set()
    assert all(isinstance(end, UpstreamTimeout) for end in ends(callers))
    assert len(b.transport.seen) == 1


@pytest.mark.parametrize(
    "make", [lambda: get(deadline=time.monotonic() + 0.02), lambda: get(timeout=0.02)], ids=["run", "call"]
)
def test_a_follower_keeps_its_own_deadline(make):
    gate = Gate()
    b = bench(gate)
    leader = start(b)
    (late,) = ends(start(b, make=make))
    assert isinstance(late, UpstreamTimeout)
    gate.event.set()
    assert ends(leader)[0].content == b"shared"


def test_a_follower_that_leads_has_waited_already():
    deadlines = []

    def note(call):
        deadlines.append(call.deadline)
        return answer()

    gate = Gate(ValueError("a bug"))
    b = bench(gate, note, site={"timeout": 30})
    leader = start(b)
    came = time.monotonic()
    follower = start(b)
    gate.event.set()
    ends(leader + follower)
    assert deadlines[0] == pytest.approx(came + 30, abs=1)
    assert deadlines[0] <= came + 30.1


def test_off_for_one_call():
    gate = Gate()
    b = bench(gate)
    callers = start(b) + start(b, make=lambda: get(options={"coalesce": None}))
    assert len(b.transport.seen) == 2
    gate.event.set()
    ends(callers)
