"""The client that leaves (FAULTS.md C07, C08): its work ends at once, and counts against nobody."""

import time

import pytest

from tests.machine import least
from tests.server.serving import access_lines, serving

SLOW = "GET /slow?s=3 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("leave", ["finish_sending", "reset"])
def test_a_departure_ends_the_request_within_200_ms_and_is_logged_as_499(ours, leave):
    ours.notes()
    before = len(access_lines(ours))

    def depart():
        client = ours.client().send(SLOW)
        ours.until(lambda: ours.stats()["running"] == 2)
        left = time.monotonic()
        getattr(client, leave)()
        ours.until(lambda: ours.stats()["running"] == 1)
        seconds = time.monotonic() - left
        client.sock.close()
        return seconds

    assert least(depart) < 0.3  # with the time it takes to ask
    assert ours.notes() == ["began", "ClientLeft"] * 3
    ours.until(lambda: access_lines(ours)[before:].count("GET /slow 499 0") == 3)


def test_a_program_that_swallows_its_end_works_for_nobody(ours):
    ours.notes()
    client = ours.client().send("GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
    ours.until(lambda: ours.stats()["running"] == 2)
    client.reset()
    assert ours.until(lambda: (notes := ours.notes()) and notes) == ["went on"]
    assert ours.until(lambda: ours.stats()["running"] == 1)


def test_a_client_that_leaves_while_it_is_answered_is_noticed_and_logged(ours):
    before, lines = ours.stats()["left"], len(access_lines(ours))
    client = ours.client(receive_buffer=4096).send("GET /big?n=20000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    ours.until(lambda: ours.stats()["running"] == 2)
    client.reset()
    ours.until(lambda: ours.stats()["left"] == before + 1)
    assert len(ours.until(lambda: cut_since(ours, lines))) == 1


def test_of_an_answer_that_is_cut_the_log_counts_what_the_client_has_taken(ours):
    before = len(access_lines(ours))
    client = ours.client(receive_buffer=4096).send("GET /big?n=20000001 HTTP/1.1\r\nHost: a\r\n\r\n")
    client.read(1 << 16)
    client.reset()
    (line,) = ours.until(lambda: cut_since(ours, before))
    assert 1 << 15 < int(line.split()[-1]) < 10_000_000  # 64 KiB and what the kernel holds, of twenty million


def cut_since(server, before):
    """The lines of the log, behind the first so many, of answers that were cut. A line is written after all else."""
    return [line for line in access_lines(server)[before:] if line.startswith("GET /big 499")]


def test_a_client_that_leaves_between_requests_is_no_departure(ours):
    before = ours.stats()["left"]
    with ours.client() as client:
        client.get("/")
    with ours.client() as client:
        client.get("/closing")
    assert ours.stats()["left"] == before


def test_with_half_close_a_request_is_served_after_fin_and_ends_with_a_reset(tmp_path):
    with serving(tmp_path, options="half_close=True") as server:
        with server.client() as client:
            client.send("GET /slow?s=0.2 HTTP/1.1\r\nHost: a\r\n\r\n").finish_sending()
            assert client.answer().body == b"slept"
            assert client.rest() == b""
        server.notes()
        client = server.client().send(SLOW)
        client.finish_sending()
        server.until(lambda: server.stats()["running"] == 2)
        client.reset()
        server.until(lambda: server.stats()["running"] == 1)
        assert server.notes() == ["began", "ClientLeft"]


def test_departures_in_numbers_leave_nothing_behind(ours):
    before = ours.stats()
    clients = [ours.client().send(SLOW) for _ in range(50)]
    ours.until(lambda: ours.stats()["running"] == 51)
    for number, client in enumerate(clients):
        client.reset() if number % 2 else client.sock.close()
    after = ours.until(lambda: (found := ours.stats())["running"] == 1 and found)
    assert (after["fds"], after["left"]) == (before["fds"], before["left"] + 50)
    ours.notes()
