"""Clients that are slow, cut short, too large, or hold their ears shut (FAULTS.md C01 to C14)."""

import time

import pytest

from fastdag.server.wire import patience
from tests.machine import PAUSE
from tests.server.serving import serving


def closed_within(client, seconds):
    began = time.monotonic()
    data = client.rest()
    assert time.monotonic() - began < seconds
    return data


@pytest.mark.parametrize("settings", ["", "keepalive = 0"], ids=["keepalive", "no keepalive"])
def test_a_head_that_drips_is_cut_off(tmp_path, settings):
    with serving(tmp_path, options="header_timeout=0.4", settings=settings) as server, server.client() as client:
        began = time.monotonic()
        with pytest.raises(OSError):  # the server hangs up on the drip
            for byte in b"GET / HTTP/1.1\r\nHost: " + b"x" * 200:
                client.send(bytes([byte]))
                time.sleep(0.03)
        assert time.monotonic() - began < 3 + PAUSE  # all of the drip are more than six
        assert b"408 Request Timeout" in client.rest()
        assert server.notes() == []


def test_a_client_that_says_nothing_is_cut_off_in_silence(hasty):
    with hasty.client() as client:
        assert closed_within(client, 2 + PAUSE) == b""


def test_a_body_that_drips_is_a_408_and_the_program_never_called(hasty):
    hasty.notes()
    with hasty.client() as client:
        client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
        assert client.answer().status == 408
        assert client.rest() == b""
    assert hasty.notes() == []


def test_a_body_that_is_cut_short_is_a_400_and_the_program_never_called(ours):
    ours.notes()
    with ours.client() as client:
        client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc").finish_sending()
        assert client.answer().status == 400
        assert client.rest() == b""
    assert ours.notes() == []


def test_a_head_that_is_cut_short_is_nobodys_request(ours):
    with ours.client() as client:
        client.send("GET / HTTP/1.1\r\nHo").finish_sending()
        assert client.rest() == b""


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 1001\r\n\r\n",
        "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
    ],
    ids=["length", "expecting", "chunked"],
)
def test_a_body_over_the_limit_is_a_413_before_it_is_read(hasty, head):
    with hasty.client() as client:
        client.send(f"POST /environ HTTP/1.1\r\nHost: a\r\n{head}")
        answer = client.answer()
        assert (answer.status, answer["connection"]) == (413, "close")
        assert client.rest() == b""


def test_a_client_that_goes_on_sending_after_a_413_still_reads_it_and_is_cut_off(hasty):
    with hasty.client() as client:
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + "x" * 30_000)
        assert client.answer().status == 413
        with pytest.raises(OSError):
            for _ in range(1000):
                client.send("x" * 60_000)


def test_a_body_up_to_the_limit_is_served(hasty):
    with hasty.client() as client:
        assert client.post("/environ", b"x" * 1000).status == 200


def test_100_continue_is_sent_when_the_body_is_wanted(ours):
    with ours.client() as client:
        client.send("POST /environ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer().status == 100
        client.send("hi")
        assert client.answer().json()["body"] == "hi"


def test_100_continue_is_not_sent_to_a_client_that_did_not_wait(ours):
    with ours.client() as client:
        client.send("POST /environ HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
        assert client.answer().json()["body"] == "hi"


def test_a_client_that_never_reads_is_given_up(hasty):
    with hasty.client(receive_buffer=4096) as client:
        client.send("GET /big?n=20000000 HTTP/1.1\r\nHost: a\r\n\r\n")
        hasty.until(lambda: hasty.stats()["left"] >= 1)
        with pytest.raises(EOFError):
            client.answer()
    assert hasty.stats()["running"] == 1  # the one that asks


@pytest.mark.parametrize(
    ("elapsed", "moved", "left"),
    [(0, 0, 4), (3, 0, 1), (3, 3 << 14, 4), (3, 30 << 14, 4), (10, 5 << 14, -1)],
)
def test_patience_is_for_slow_lines_and_not_for_silence(monkeypatch, elapsed, moved, left):
    monkeypatch.setattr("fastdag.server.wire.now", lambda: 100.0 + elapsed)
    assert patience(100.0, 4.0, moved) - (100.0 + elapsed) == left


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 8200 + b"\r\n\r\n", 431),
    ],
    ids=["line", "fields", "field"],
)
def test_heads_over_gunicorns_limits_are_refused(either, request_bytes, status):
    with either.client() as client:
        client.send(request_bytes)
        assert client.rest().startswith(b"HTTP/1.1 %d" % status)


def test_what_we_refuse_is_told_as_a_problem(ours):
    with ours.client() as client:
        client.send("GET /\r\n\r\n")
        answer = client.answer()
        assert (answer["content-type"], answer.json()["status"], answer["connection"]) == (
            "application/problem+json",
            400,
            "close",
        )


def test_connections_leave_no_circles_for_the_garbage_collector(ours):
    with ours.client() as client:
        client.get("/circles")
        for _ in range(20):
            assert ours.get("/").status == 200
            with ours.client() as other:
                other.send("GET /\r\n\r\n")
                assert other.answer().status == 400
            ours.client().send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").reset()
        ours.until(lambda: ours.stats()["connections"] == 2)
        assert int(client.get("/circles").body) < 20


def test_nothing_is_left_of_clients_that_misbehaved(ours):
    before = ours.stats()
    for data in (
        b"GET / HTT",
        b"\x00" * 100,
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        b"GET /slow HTTP/1.1\r\n\r\n",
    ):
        client = ours.client()
        client.send(data)
        client.reset()
    after = ours.until(lambda: (found := ours.stats())["connections"] == 1 and found)
    assert (after["fds"], after["running"]) == (before["fds"], 1)
