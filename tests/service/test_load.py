"""More than there is room for (FAULTS.md L01, L03, L06, R03)."""

from collections import Counter
from pathlib import Path

import gevent

from tests.faults.conftest import eventually
from tests.service.conftest import ok, status


def test_l01_five_times_the_capacity(either):
    """Four at a time of 50 ms each are 80 a second; 400 are offered."""
    either.build(admission=4)
    path = either.script("/solo/1", ("sleep", 0.05), ok())
    answers = []
    asking = []
    for _ in range(600):
        asking.append(gevent.spawn(lambda: answers.append(either.ask("/solo/1"))))
        gevent.sleep(0.0025)
    gevent.joinall(asking, raise_error=True)
    seen = Counter(answer.status for answer in answers)
    assert set(seen) == {200, 503}
    assert {answer["retry-after"] for answer in answers if answer.status == 503} == {"1"}
    assert either.hits(path) == seen[200]  # who is refused costs nothing upstream
    assert either.upstream.order()["connections"] <= 4
    # In the second and a half that offering takes where nothing pauses; 0.9 on a machine of one's own.
    assert seen[200] >= 0.6 * 80 * 600 * 0.0025


def test_l01_health_is_answered_while_there_is_no_room(case):
    case.build(admission=4)
    path = case.script("/solo/1", ("gate",), ok())
    asking = [gevent.spawn(case.ask, "/solo/1") for _ in range(4)]
    assert eventually(lambda: case.hits(path) == 4)
    assert case.ask("/solo/1").status == 503
    assert case.ask("/livez").status == case.ask("/readyz").status == 200
    case.let_go(path)
    assert {found.get(timeout=5).status for found in asking} == {200}


def test_r03_a_hundred_large_answers_at_once_stay_within_a_quarter_of_a_gigabyte(case):
    """What holds it there is how many are in flight: at the server's door, and at the upstream's bulkhead."""
    case.build(admission=32)
    items = [{"id": number, "name": f"thing {number}", "text": "x" * 900} for number in range(2000)]
    path = case.script("/solo/big", ("sleep", 0.05), ok({"items": items}))
    seen = case.statuses([path] * 100)
    assert set(seen) == {200, 503}
    assert seen[200] >= 8
    assert peak_memory(case.server.workers()[0]) < 256 << 20
    assert case.ask(path).json()["items"] == items


def peak_memory(pid):
    """The most that was ever resident of a process, in bytes."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def test_l03_clients_that_try_again_do_not_multiply(case):
    """Half of the calls fail and every client tries three times: the upstream sees the clients' tries, and a tenth."""
    case.build(one={"breaker": None, "bulkhead": None})
    case.script("/solo/good", ok())
    case.script("/solo/bad", status(503))
    tries = Counter()

    def client(path):
        for _ in range(3):
            tries[path] += 1
            answer = case.ask(path)
            if answer.status == 200:
                return
            assert answer["retry-after"] is not None  # it was told not to

    for _ in range(5):
        gevent.joinall([gevent.spawn(client, path) for path in ("/solo/good", "/solo/bad") * 10], raise_error=True)
    sent = tries["/solo/good"] + tries["/solo/bad"]
    assert sent == 200
    assert case.hits("/solo/good") == 50
    assert case.hits("/solo/bad") <= tries["/solo/bad"] + 0.1 * sent + 10


def test_l03_a_breaker_ends_what_clients_repeat(case):
    case.build(one={"breaker": {"open": 30}})
    path = case.script("/solo/bad", status(503))
    for _ in range(5):
        assert case.statuses([path] * 10) == {503: 10}
    assert case.hits(path) <= 20


def test_l06_fan_outs_stay_within_the_bulkhead(case):
    case.build(one={"bulkhead": {"limit": 8, "wait": 3.0}})
    for number in range(40):
        case.script(f"/item/{number}", ("sleep", 0.002), ok({"id": number}))
    case.script("/solo/6", ok())
    asking = [gevent.spawn(case.ask, "/fan/40") for _ in range(5)]
    answers = [found.get(timeout=5) for found in asking]
    assert {answer.status for answer in answers} == {200}
    assert all(answer.json()["items"] == [{"id": number} for number in range(40)] for answer in answers)
    assert case.upstream.order()["connections"] <= 8
    assert case.ask("/solo/6").status == 200


def test_l06_a_fan_out_over_the_limit_is_refused_before_anything_is_asked(case):
    answer = case.ask("/fan/101")
    assert (answer.status, answer.json()["reason"]) == (502, "too_large")
    assert case.hits("/item/0") == 0
