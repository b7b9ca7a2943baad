"""The breaker: its table, what counts, and the permit of its probe."""

import gevent
import gevent.event
import pytest

from fastdag.concurrency import GreenletExit, Timeout
from fastdag.errors import (
    UpstreamConnectError,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from fastdag.events import Instruments
from fastdag.upstream.policies.attempt import Attempt
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.breaker import TRANSITIONS, Breaker
from fastdag.upstream.policies.bulkhead import Bulkhead

from .scripted import Bench, answer, get

BALANCE = Balance()
REFUSED = UpstreamConnectError("refused")


def bench(*steps, **options):
    return Bench(*steps, balance=BALANCE, breaker=Breaker(**options), attempt=Attempt())


def circuit(bench):
    return bench.stack.circuits.by_url["http://a:1"]


def fail(bench, times):
    for _ in range(times):
        with pytest.raises(UpstreamConnectError):
            bench.send()


def rejected(bench):
    with pytest.raises(UpstreamRejected) as caught:
        bench.send()
    assert caught.value.reason == "breaker_open"
    return caught.value.retry_after


def opened(*then):
    """A breaker whose open time has just passed, and the steps that follow."""
    found = bench(*[REFUSED] * 5, *then)
    fail(found, 5)
    found.clock.now += 5
    return found


def test_the_table_is_the_machine():
    assert TRANSITIONS["closed", "trip"] == "open"
    assert TRANSITIONS["open", "wait_over"] == "half_open"
    assert TRANSITIONS["half_open", "trip"] == "open"
    assert TRANSITIONS["half_open", "heal"] == "closed"
    assert ("open", "trip") not in TRANSITIONS
    assert ("closed", "heal") not in TRANSITIONS


def test_failures_in_a_row_open_it():
    b = bench(REFUSED)
    fail(b, 5)
    assert rejected(b) == 5.0
    assert len(b.transport.seen) == 5


def test_a_success_in_between_starts_the_row_again():
    b = bench(*[REFUSED] * 4, answer(), *[REFUSED] * 4, answer())
    fail(b, 4)
    b.send()
    fail(b, 4)
    b.send()
    assert circuit(b).state == "closed"


def test_half_of_enough_calls_open_it():
    b = bench(*[answer(), answer(500)] * 10, consecutive=100)
    for _ in range(19):
        b.send()
    assert circuit(b).state == "closed"
    b.send()
    assert circuit(b).state == "open"


def test_failures_out_of_the_window_are_forgotten():
    b = bench(REFUSED, consecutive=100)
    fail(b, 19)
    b.clock.now += 10
    fail(b, 19)
    assert circuit(b).state == "closed"


@pytest.mark.parametrize(
    "end", [REFUSED, UpstreamProtocolError("cut"), UpstreamTimeout("late"), answer(500), answer(599)]
)
def test_counts_as_a_failure(end):
    b = bench(end)
    for _ in range(5):
        with_errors(b)
    assert circuit(b).state == "open"


@pytest.mark.parametrize(
    "end",
    [
        answer(404),
        answer(400),
        answer(429),
        UpstreamTooLarge("much"),
        UpstreamRejected("pool", reason="bulkhead_full"),
        GreenletExit(),
        ValueError("a bug"),
    ],
)
def test_does_not_count(end):
    b = bench(end)
    for _ in range(100):
        with_errors(b)
    assert circuit(b).state == "closed"


def with_errors(b, call=None):
    try:
        b.send(call)
    except BaseException as error:
        return error
    return None


@pytest.mark.parametrize(("given", "state"), [(0.49, "closed"), (0.5, "open")])
def test_a_time_out_counts_if_the_attempt_had_half_of_its_time(given, state):
    b = bench(UpstreamTimeout("late"))
    for _ in range(5):
        with_errors(b, get(deadline=b.clock.now + given))
    assert circuit(b).state == state


def test_a_call_s_own_short_timeout_is_its_usual_time():
    b = bench(UpstreamTimeout("late"))
    for _ in range(5):
        with_errors(b, get(deadline=b.clock.now + 0.2, timeout=0.2))
    assert circuit(b).state == "open"


@pytest.mark.parametrize(("after", "state"), [(0.3, "closed"), (0.5, "open")])
def test_a_kill_at_the_deadline_is_a_time_out_and_before_it_a_cancellation(after, state):
    b = bench(answer())

    def killed(call):
        b.clock.now += after
        raise GreenletExit

    b.transport.steps = [killed]
    for _ in range(5):
        with_errors(b, get(deadline=b.clock.now + 0.5))
    assert circuit(b).state == state


@pytest.mark.parametrize(("after", "state"), [(0.3, "closed"), (0.6, "open")])
def test_a_timeout_thrown_by_the_caller_counts_after_half_of_the_usual_time(after, state):
    b = bench(answer())

    def thrown(call):
        b.clock.now += after
        raise Timeout(after)

    b.transport.steps = [thrown]
    for _ in range(5):
        with_errors(b)
    assert circuit(b).state == state


def test_rejections_by_the_bulkhead_are_no_failures():
    b = Bench(balance=BALANCE, breaker=Breaker(), bulkhead=Bulkhead(limit=1, wait=0))
    b.site.states["bulkhead"].in_flight = 1
    for _ in range(100):
        with pytest.raises(UpstreamRejected, match="the limit is 1"):
            b.send()
    assert circuit(b).state == "closed"


def test_two_probes_in_a_row_close_it():
    b = opened(answer())
    b.send()
    assert circuit(b).state == "half_open"
    b.send()
    assert circuit(b).state == "closed"


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_the_most():
    b = opened(REFUSED)
    waits = []
    for _ in range(6):
        fail(b, 1)
        waits.append(rejected(b))
        b.clock.now += waits[-1]
    assert waits == [10, 20, 40, 60, 60, 60]


def test_one_success_is_not_enough():
    b = opened(answer(), REFUSED)
    b.send()
    fail(b, 1)
    assert rejected(b) == 10.0


def test_after_healing_the_open_time_starts_small_again():
    b = opened(REFUSED, answer(), answer(), REFUSED)
    fail(b, 1)
    b.clock.now += 10
    b.send()
    b.send()
    fail(b, 5)
    assert rejected(b) == 5.0


def test_the_open_time_is_jittered_downwards():
    class Lowest:
        def uniform(self, a, b):
            return a

    b = bench(REFUSED)
    b.site.random = Lowest()
    fail(b, 5)
    assert rejected(b) == 3.75


def test_a_call_from_before_the_opening_changes_nothing_afterwards():
    b = bench(REFUSED)
    late = []

    def slow(call):
        fail(b, 5)
        late.append(circuit(b).describe())
        raise REFUSED

    b.transport.steps = [slow, REFUSED]
    fail(b, 1)
    assert circuit(b).describe() == late[0]


def test_an_answer_from_before_the_opening_changes_nothing_either():
    b = bench(REFUSED)

    def slow(call):
        fail(b, 5)
        return answer()

    b.transport.steps = [slow, REFUSED]
    b.send()
    assert circuit(b).state == "open"
    assert circuit(b).describe()["calls"] == 0


def test_successes_out_of_the_window_are_forgotten():
    b = bench(answer())
    b.send()
    b.clock.now += 10
    b.send()
    assert circuit(b).describe()["calls"] == 1


@pytest.mark.parametrize("end", [GreenletExit(), KeyboardInterrupt(), Timeout(1), ValueError(), UpstreamTooLarge("x")])
def test_every_exit_of_a_probe_gives_its_permit_back(end):
    b = opened(end, answer())
    assert with_errors(b, get(deadline=b.clock.now + 0.1)) is end
    assert circuit(b).state == "half_open"
    assert circuit(b).probe is None
    b.send()
    b.send()
    assert circuit(b).state == "closed"


def test_half_open_lets_one_of_fifty_through():
    b = opened(answer())
    gate = gevent.event.Event()

    def wait(call):
        gate.wait()
        return answer()

    b.transport.steps = [wait]
    callers = [gevent.spawn(with_errors, b) for _ in range(50)]
    gevent.sleep(0)
    gate.set()
    gevent.joinall(callers)
    ends = [caller.value for caller in callers]
    assert ends.count(None) == 1
    assert sum(isinstance(end, UpstreamRejected) for end in ends) == 49
    assert len(b.transport.seen) == 6


def test_a_killed_probe_does_not_leave_it_stuck():
    b = opened(answer())

    def hang(call):
        gevent.sleep(100)

    b.transport.steps = [hang, answer()]
    probe = gevent.spawn(b.send)
    gevent.sleep(0)
    assert rejected(b) == 1.0
    probe.kill()
    b.send()
    b.send()
    assert circuit(b).state == "closed"


@pytest.mark.parametrize("end", [answer(), answer(500), REFUSED])
def test_a_probe_that_was_overtaken_by_force_changes_nothing(end):
    b = opened(answer())

    def meanwhile(call):
        b.stack.circuits.force_open()
        if isinstance(end, Exception):
            raise end
        return end

    b.transport.steps = [meanwhile]
    with_errors(b)
    assert circuit(b).state == "forced_open"
    assert circuit(b).describe()["failures"] == 0


def test_a_probe_that_is_answered_with_500_has_failed():
    b = opened(answer(500))
    b.send()
    assert circuit(b).state == "open"


def test_without_listeners_nothing_is_told():
    b = bench(REFUSED)
    b.site.instruments = Instruments()
    fail(b, 5)
    rejected(b)
    assert b.events == []


def test_forced_open_rejects_and_forced_closed_lets_everything_through():
    b = bench(REFUSED)
    b.stack.circuits.force_open()
    assert rejected(b) == 1.0
    assert b.transport.seen == []
    b.stack.circuits.force_closed()
    fail(b, 50)
    assert circuit(b).state == "forced_closed"
    b.stack.circuits.reset()
    fail(b, 5)
    assert circuit(b).state == "open"


def test_changes_and_rejections_are_told():
    b = bench(REFUSED)
    fail(b, 5)
    rejected(b)
    about = {"upstream": "up", "host": "http://a:1"}
    assert b.told("breaker.changed") == [{**about, "previous": "closed", "state": "open"}]
    assert b.told("breaker.rejected") == [{**about, "retry_after": 5.0}]


def test_describes_itself():
    b = bench(REFUSED)
    fail(b, 2)
    assert b.stack.circuits.describe() == {
        "http://a:1": {"state": "closed", "calls": 2, "failures": 2, "in_row": 2, "half_open_in": None}
    }
    fail(b, 3)
    assert b.stack.circuits.describe()["http://a:1"]["half_open_in"] == 5.0


def test_an_override_shares_what_was_counted():
    b = bench(REFUSED)
    fail(b, 4)
    with pytest.raises(UpstreamConnectError):
        b.send(get(options={"breaker": None}))
    assert circuit(b).state == "closed"
    with pytest.raises(UpstreamConnectError):
        b.send(get(options={"breaker": Breaker(consecutive=9)}))
    assert circuit(b).state == "closed"
    fail(b, 1)
    assert circuit(b).state == "open"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calls": 0}, "calls takes a number from 1 on"),
        ({"rate": 2}, "rate takes a share from 0 to 1"),
        ({"rate": "half"}, "rate takes a share"),
        ({"window": None}, "window takes a number, not None"),
        ({"consecutive": 1.5}, "consecutive takes a whole number"),
        ({"open": -1}, "open takes a positive number"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Breaker(**options)
