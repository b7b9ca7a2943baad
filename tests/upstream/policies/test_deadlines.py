"""The total and the attempt timeout: who says until when, and what the upstream is told."""

import pytest

from fastdag.errors import UpstreamTimeout
from fastdag.upstream.policies.attempt import Attempt
from fastdag.upstream.policies.balance import Balance
from fastdag.upstream.policies.retry import Retry
from fastdag.upstream.policies.total import Total

from .scripted import Bench, answer, get


def bench(*steps, timeout=None, attempt_timeout=1.0, header="Fastdag-Deadline", **policies):
    site = {"timeout": timeout, "attempt_timeout": attempt_timeout, "deadline_header": header}
    return Bench(*steps, site=site, timeout=Total(), balance=Balance(), attempt=Attempt(), **policies)


def allowed(b, **call):
    """The seconds that the transport got."""
    if "deadline" in call:
        call["deadline"] += b.clock.now
    start = b.clock.now
    b.send(get(**call))
    deadline = b.transport.seen[-1][3]
    return None if deadline is None else pytest.approx(deadline - start)


@pytest.mark.parametrize(
    ("upstream", "call", "seconds"),
    [
        ({}, {}, 1.0),
        ({"attempt_timeout": None}, {}, None),
        ({"attempt_timeout": None, "timeout": 3}, {}, 3),
        ({"timeout": 0.3}, {}, 0.3),
        ({"timeout": 3}, {}, 1.0),
        ({}, {"deadline": 0.2}, 0.2),
        ({}, {"deadline": 5}, 1.0),
        ({"timeout": 0.3}, {"deadline": 0.5}, 0.3),
        ({"timeout": 0.3}, {"timeout": 0.7}, 0.7),
        ({"timeout": 3}, {"timeout": 0.1}, 0.1),
        ({"timeout": 3}, {"timeout": 0.7, "deadline": 0.1}, 0.1),
        ({"attempt_timeout": None}, {"timeout": 0.1}, 0.1),
        ({"attempt_timeout": None}, {"deadline": 0.1}, 0.1),
    ],
)
def test_the_earliest_counts(upstream, call, seconds):
    assert allowed(bench(**upstream), **call) == seconds


def test_the_total_holds_over_all_attempts():
    b = bench(answer(503), timeout=1.0, attempt_timeout=0.6, retry=Retry(attempts=3, backoff=0))

    def slow(call):
        b.clock.now += 0.5
        return answer(503)

    b.transport.steps = [slow]
    start = b.clock.now
    b.send()
    assert [deadline - start for _, _, _, deadline in b.transport.seen] == [pytest.approx(0.6), 1.0]


def test_without_time_left_nothing_is_sent():
    b = bench()
    with pytest.raises(UpstreamTimeout) as caught:
        b.send(get(deadline=b.clock.now))
    assert not caught.value.sent
    assert b.transport.seen == []


def test_the_upstream_is_told_how_long_it_has():
    b = bench(header="X-Left")
    call = get("/x", ("A", "1"), deadline=b.clock.now + 0.4126)
    b.send(call)
    assert b.transport.seen[0][2] == [("A", "1"), ("X-Left", "0.413")]
    assert call.headers == (("A", "1"),)
    assert call.promise is None
    assert call.deadline == b.clock.now + 0.4126


@pytest.mark.parametrize("options", [{"header": None}, {"attempt_timeout": None}])
def test_or_not(options):
    b = bench(**options)
    b.send()
    assert b.transport.seen[0][2] == []


def test_attempts_are_told():
    b = bench(answer(503), UpstreamTimeout("late"), retry=Retry(backoff=0))
    with pytest.raises(UpstreamTimeout):
        b.send()
    about = {"upstream": "up", "host": "http://a:1", "method": "GET"}
    started, ended = ([dict(fields) for fields in b.told(f"attempt.{what}")] for what in ("started", "ended"))
    calls = [fields.pop("call") for fields in started]
    assert calls == [fields.pop("call") for fields in ended]
    assert started == [{**about, "attempt": 0}, {**about, "attempt": 1}]
    assert ended == [
        {**about, "attempt": 0, "status": 503, "reason": "", "elapsed": 0.0},
        {**about, "attempt": 1, "status": 0, "reason": "timeout", "elapsed": 0.0},
    ]


def test_an_attempt_that_is_interrupted_is_told_as_cancelled():
    b = bench(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        b.send()
    assert b.told("attempt.ended")[0]["reason"] == "cancelled"
