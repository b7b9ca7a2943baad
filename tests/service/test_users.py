"""Nobody gets what is somebody else's (FAULTS.md X01 to X07)."""

import random
from itertools import product

import gevent
import pytest

from tests.faults.conftest import eventually
from tests.service.app import USUAL
from tests.service.conftest import SECRET, ok

BOTH = pytest.mark.parametrize("transport", [None, "requests"])
FAULTS = [
    [("rst",)],
    [("fin",)],
    [("stall",)],
    [("send", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), ("fin",)],
    [("send", "HTTP/1.1 103 Early Hints\r\n\r\n"), ("sleep", 0.01)],
    [("send", "garbage\r\n\r\n")],
]


def test_x01_random_faults_for_many_users_at_once(case):
    case.build(one={"breaker": None, "attempt_timeout": 0.3}, admission=128)
    chance = random.Random(1)
    wrong, seen = [], []

    def mine_of(name, turn):
        return f"/solo/{name}-{turn}", {"of": f"user-{name}-{turn}"}

    for name, turn in product(range(12), range(8)):
        path, mine = mine_of(name, turn)
        case.script(path, ok(mine), first=[*chance.choice(FAULTS), ok(mine)] if chance.random() < 0.5 else None)

    def use(name):
        for turn in range(8):
            path, mine = mine_of(name, turn)
            answer = case.ask(path, f"Authorization: {SECRET}{name}")
            if answer.status == 200 and answer.json() != mine:
                wrong.append((mine, answer.body))
            if answer.status != 200 and b"user-" in answer.body:
                wrong.append((mine, answer.body))
            seen.append(answer.status)

    gevent.joinall([gevent.spawn(use, name) for name in range(12)], raise_error=True)
    assert wrong == []
    assert len(seen) == 96
    assert set(seen) <= {200, 502, 503, 504}
    assert seen.count(200) >= 40


@BOTH
def test_x02_a_cookie_of_one_user_goes_along_with_no_other(case, transport):
    case.build(all={"transport": transport})
    path = case.script("/solo/2", ok(None, "Set-Cookie: sid=A"))
    for name in ("A", "B"):
        answer = case.ask("/solo/2", f"Cookie: sid={name}")
        assert (answer.status, answer["set-cookie"]) == (200, None)
    assert [head.get("cookie") for head in case.heads(path)] == [None, None]


@BOTH
def test_x02_the_environment_adds_no_credentials_and_no_proxy(case, transport):
    """The service runs with NETRC, HTTP_PROXY and REQUESTS_CA_BUNDLE set."""
    case.build(all={"transport": transport})
    path = case.script("/solo/2", ok())
    assert case.ask("/solo/2").status == 200
    assert case.ask("/solo/2", f"Authorization: {SECRET}A").status == 200
    assert [head.get("authorization") for head in case.heads(path)] == [None, f"{SECRET}A"]
    assert not [name for head in case.heads(path) for name in head if name.startswith("proxy")]


@pytest.mark.parametrize("header", ["Authorization: {}", "X-Tenant: {}"])
def test_x03_users_share_neither_calls_nor_stored_answers(case, header):
    case.build(kept={"coalesce": True})
    path = case.script("/cached/3", ("sleep", 0.1), ok({"call": 2}), first=[("sleep", 0.1), ok({"call": 1})])
    asking = {name: gevent.spawn(case.ask, "/cached/3", header.format(name)) for name in ("A", "B")}
    first = {name: found.get(timeout=5).json() for name, found in asking.items()}
    assert sorted(answer["call"] for answer in first.values()) == [1, 2]
    assert {name: case.ask("/cached/3", header.format(name)).json() for name in first} == first
    assert case.hits(path) == 2
    assert case.gauges()["layers"]["kept"]["cache"]["entries"] == 2


def test_x03_what_names_nobody_is_shared(case):
    case.build(kept={"coalesce": True, "cache": None})
    path = case.script("/cached/3", ("gate",), ok({"call": 1}))
    asking = [gevent.spawn(case.ask, "/cached/3", f"X-Request-Id: r-{number}", "Cookie: a=b") for number in range(25)]
    assert eventually(lambda: case.gauges()["layers"]["kept"]["coalesce"]["joined"] == 24)
    case.let_go(path)
    assert {found.get(timeout=5).status for found in asking} == {200}
    assert case.hits(path) == 1


def test_x03_followers_outlive_a_leader_that_goes_away(case):
    case.build(kept={"coalesce": True, "cache": None})
    path = case.script("/cached/3", ok({"call": 2}), first=[("stall",)])
    followers = []

    def joined():
        if case.hits(path) == 1 and not followers:
            followers.extend(gevent.spawn(case.ask, "/cached/3") for _ in range(5))
        return case.gauges()["layers"]["kept"]["coalesce"]["joined"] == 5

    case.leave("/cached/3", when=joined)
    assert [found.get(timeout=5).json() for found in followers] == [{"call": 2}] * 5
    assert case.hits(path) == 2


def test_x03_followers_of_a_failure_have_a_failure_each(case):
    case.build(kept={"coalesce": True, "cache": None, "retry": None})
    path = case.script("/cached/3", ("gate",), ("rst",))
    asking = [gevent.spawn(case.ask, path) for _ in range(20)]
    assert eventually(lambda: case.gauges()["layers"]["kept"]["coalesce"]["joined"] == 19)
    case.let_go(path)
    assert [found.get(timeout=5).status for found in asking] == [502] * 20
    assert case.hits(path) == 1
    assert case.circuit("kept")["failures"] == 1


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        (["Cache-Control: max-age=60"], True),
        (["Cache-Control: private, max-age=60"], False),
        (["Cache-Control: no-store"], False),
        (["Vary: Accept-Language"], True),
        (["Vary: *"], False),
        (["Set-Cookie: sid=A"], False),
    ],
)
def test_x04_what_may_be_stored(case, headers, stored):
    path = case.script("/cached/4", ok({}, *headers))
    answers = [case.ask("/cached/4") for _ in range(2)]
    assert case.hits(path) == (1 if stored else 2)
    assert [answer["age"] is not None for answer in answers] == [False, stored]


def test_x04_parts_and_failures_are_not_stored(case):
    part = "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\n{}"
    cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"
    path = case.script("/cached/5", ("send", part))
    assert [case.ask(path).status for _ in range(2)] == [200, 200]
    assert case.hits(path) == 2
    path = case.script("/cached/6", ok(), first=[("send", cut), ("fin",)])
    assert [case.ask(path).status for _ in range(3)] == [502, 200, 200]
    assert case.hits(path) == 2


@pytest.mark.parametrize("route", ["solo", "nested"])
def test_x05_every_call_carries_the_id_trace_and_deadline_of_its_own_request(case, route):
    case.build(one={"bulkhead": None})
    traces = {number: f"{number + 1:032x}" for number in range(16)}

    def ask(number):
        trace = f"Traceparent: 00-{traces[number]}-00f067aa0ba902b7-01"
        return case.ask(f"/{route}/{number}", f"X-Request-Id: r-{number}", trace)

    for number in traces:
        case.script(f"/solo/{number}", ("sleep", 0.05), ok({"id": number}))
    answers = {number: found.get(timeout=5) for number, found in [(n, gevent.spawn(ask, n)) for n in traces]}
    for number, answer in answers.items():
        assert (
            answer.json() == {"id": number}
            if route == "solo"
            else {"id": number} in (answer.json(), answer.json().get("outer"))
        )
        assert answer["x-request-id"] == f"r-{number}"
        (head,) = case.heads(f"/solo/{number}")
        assert head["x-request-id"] == f"r-{number}"
        assert head["traceparent"].split("-")[1] == traces[number]
        assert 0 < float(head["fastdag-deadline"]) <= USUAL["attempt_timeout"]


def test_x06_a_request_without_an_id_gets_one_of_its_own(case):
    path = case.script("/solo/6", ok())
    ids = [case.ask("/solo/6", *more)["x-request-id"] for more in ([], [], ["X-Request-Id: a b"])]
    assert len(set(ids)) == 3
    assert [head["x-request-id"] for head in case.heads(path)] == ids


@BOTH
def test_x07_an_answer_that_comes_too_late_is_nobodys(case, transport):
    case.build(hasty=True, all={"transport": transport})
    case.script("/solo/7a", ("sleep", 0.6), ok({"of": "A"}))
    case.script("/solo/7b", ok({"of": "B"}))
    assert case.ask("/solo/7a").status == 504
    assert eventually(lambda: case.upstream.order()["open"] == 0)  # closed when A's time was up; kept otherwise
    assert case.ask("/solo/7b").json() == {"of": "B"}
    gevent.sleep(0.25)
    assert case.ask("/solo/7b").json() == {"of": "B"}


def test_x07_what_follows_a_whole_answer_is_nobodys(case):
    path = case.script("/solo/7a", ("send", ok({"of": "A"})[1] * 2))
    case.script("/solo/7b", ok({"of": "B"}))
    for _ in range(5):
        assert case.ask(path).json() == {"of": "A"}
        assert case.ask("/solo/7b").json() == {"of": "B"}
