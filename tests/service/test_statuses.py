"""What an upstream's status becomes (FAULTS.md U29 to U31, U39), and that nothing of it is sent along."""

import pytest

from tests.service.conftest import ok, status


@pytest.mark.parametrize(
    ("steps", "code", "retry_after", "hits", "counted"),
    [
        pytest.param([status(500)], 502, None, 1, 1, id="500"),
        pytest.param([status(503, "Retry-After: 9")], 503, "9", 1, 1, id="503 with a pause beyond the deadline"),
        pytest.param([status(503, "Retry-After: 86400")], 503, "30", 1, 1, id="503 with a pause of a day"),
        pytest.param([status(503)], 503, "1", 2, 2, id="503"),
        pytest.param([status(429, "Retry-After: 7")], 503, "7", 1, 0, id="429"),
        pytest.param([status(502)], 502, None, 2, 2, id="502"),
        pytest.param([status(504)], 502, None, 2, 2, id="504"),
    ],
)
def test_u29_failures_of_the_upstream(either, steps, code, retry_after, hits, counted):
    path = either.script("/solo/29", *steps)
    answer = either.ask("/solo/29")
    assert (answer.status, answer["retry-after"]) == (code, retry_after)
    assert answer.json()["reason"] == "status"
    assert either.hits(path) == hits
    assert either.circuit()["failures"] == counted


def test_u29_a_retry_that_helps_is_not_seen(case):
    path = case.script("/solo/29", ok({"try": 2}), first=[status(503)])
    answer = case.ask("/solo/29")
    assert (answer.status, answer.json()) == (200, {"try": 2})
    assert case.hits(path) == 2
    assert case.gauges()["budget"]["one"]["spent"] == 1


@pytest.mark.parametrize("code", [401, 403, 404])
@pytest.mark.parametrize("relay", [[], [404]])
def test_u30_refusals_are_the_upstreams_own_business(case, code, relay):
    case.build(relay=relay)
    page = "<html>secret-page</html>"
    head = f"HTTP/1.1 {code} No\r\nWWW-Authenticate: Basic\r\nContent-Type: text/html\r\nX-Inside: 10.0.0.5\r\n"
    case.script("/solo/30", ("send", f"{head}Content-Length: {len(page)}\r\n\r\n{page}"))
    answer = case.ask("/solo/30")
    assert answer.status == (404 if code in relay else 502)
    assert b"secret-page" not in answer.body
    assert answer["content-type"] == "application/problem+json"
    assert answer["www-authenticate"] is answer["x-inside"] is None
    assert case.circuit()["failures"] == 0


@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:{port}/solo/target", "/solo/target", "file:///etc/passwd", "//evil"]
)
@pytest.mark.parametrize("transport", [None, "requests"])
def test_u31_redirects_are_not_followed(case, where, transport):
    case.build(one={"transport": transport})
    target = case.script("/solo/target", ok())
    case.script("/solo/31", status(302, f"Location: {where.format(port=case.upstream.ports['http'])}"))
    answer = case.ask("/solo/31")
    assert (answer.status, answer["location"]) == (502, None)
    assert case.hits(target) == 0


def test_u39_what_is_the_callers_fault_opens_no_breaker(case):
    case.script("/solo/400", status(400))
    case.script("/solo/404", status(404))
    for _ in range(5):
        assert case.statuses(["/solo/400", "/solo/404"] * 8) == {502: 16}
    assert (case.circuit()["state"], case.circuit()["calls"], case.circuit()["failures"]) == ("closed", 80, 0)
