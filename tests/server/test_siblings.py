"""Connections are spread evenly over the workers, and nobody waits for a worker that cannot take any."""

import os
import signal
import socket
import time
from collections import Counter
from types import SimpleNamespace

import gevent
import pytest
from gunicorn.config import Config

from fastdag.server.listener import Listener
from fastdag.server.siblings import Board, Seat
from tests.machine import PAUSE
from tests.server.serving import serving


@pytest.fixture
def seats():
    board = Board()
    found = [Seat(board, number) for number in range(4)]
    meet(found, 100.0)
    return found


def meet(seats, instant):
    """Each is heard of, and hears of all."""
    for _ in range(2):
        for seat in seats:
            seat.beat(instant)


def test_who_has_fewest_is_ahead_of_nobody(seats):
    for seat, number in zip(seats, (3, 2, 0, 7), strict=True):
        seat.hold(number)
    assert [seat.ahead() for seat in seats] == [3, 2, -2, 7]


def test_an_eighth_more_is_even_enough(seats):
    for seat, number in zip(seats, (80, 90, 91, 80), strict=True):
        seat.hold(number)
    assert [seat.ahead() > 0 for seat in seats] == [False, False, True, False]


def test_who_is_alone_is_never_ahead():
    seat = Seat(Board(), 1)
    seat.beat(100.0)
    seat.hold(50)
    assert seat.ahead() <= 0


def test_nobody_waits_for_a_worker_that_is_not_heard_of_or_has_left(seats):
    silent, busy, gone, other = seats
    busy.hold(5)
    other.hold(5)
    for seat in (busy, gone, other):
        seat.beat(100.3)
    gone.leave()
    meet([busy, other], 100.3)
    assert [busy.ahead(), other.ahead()] == [0, 0]
    silent.beat(100.35)
    meet([busy, other], 100.35)
    assert [busy.ahead(), other.ahead()] == [5, 5]


def test_a_worker_that_drains_lets_all_others_go_first_and_not_the_other_way_round(seats):
    first, *others = seats
    others[0].hold(9)
    first.stand_back()
    assert first.ahead() > 1000
    assert others[1].ahead() <= 0
    for seat in others:
        seat.stand_back()
    assert first.ahead() <= 0  # all of them drain: it is as before


class Watcher:
    """One of the loop's, fired by hand."""

    def __init__(self, seconds=None):
        self.seconds = seconds
        self.fire = None  # not started

    def start(self, callback):
        self.fire = callback

    def stop(self):
        self.fire = None

    def close(self):
        self.fire = None


class House:
    """What a listener needs of it; connections are counted and closed."""

    def __init__(self):
        board = Board()
        self.seat, self.sibling = Seat(board, 1), Seat(board, 2)
        self.seat.beat(100.0)
        self.cfg, self.connections = Config(), []
        self.timers = []
        self.loop = SimpleNamespace(io=lambda number, events: Watcher(), timer=self.timer)

    def timer(self, seconds):
        self.timers.append(Watcher(seconds))
        return self.timers[-1]

    def meet_the_sibling(self):
        meet([self.seat, self.sibling], 100.0)

    def opened(self, sock):
        sock.close()
        self.connections.append(sock)
        self.seat.hold(len(self.connections))

    @property
    def taken(self):
        return len(self.connections)


@pytest.fixture
def house(monkeypatch):
    monkeypatch.setattr("fastdag.server.listener.Connection", lambda house, sock, *_, **__: house.opened(sock))
    return House()


@pytest.fixture
def backlog():
    """A socket with eighty connections waiting."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        clients = [socket.create_connection(listening.getsockname()) for _ in range(80)]
        yield listening
        for client in clients:
            client.close()


@pytest.fixture
def listener(house, backlog):
    found = Listener(house, backlog)
    yield found
    found.close()


def test_alone_a_listener_takes_what_is_there_at_once(house, listener):
    listener._watcher.fire()
    assert house.taken == 64  # in one turn of the loop
    listener._watcher.fire()
    assert (house.taken, house.timers) == (80, [])


def test_at_a_socket_of_its_own_a_listener_waits_for_nobody(house, backlog):
    house.cfg.set("reuse_port", True)
    house.meet_the_sibling()
    listener = Listener(house, backlog)
    listener._watcher.fire()
    assert (house.taken, house.timers) == (64, [])
    listener.close()


def test_a_listener_that_is_ahead_waits_longer_the_more_it_is_and_then_takes_one(house, listener):
    house.meet_the_sibling()
    listener._watcher.fire()
    waits = []
    for taken in range(1, 30):
        assert (house.taken, listener._watcher.fire) == (taken, None)
        waits.append(house.timers[-1].seconds)
        house.timers[-1].fire()
        listener._watcher.fire()
    assert waits == sorted(waits)
    assert (waits[3], waits[-1]) == (0.001, 0.02)


def test_a_listener_goes_on_at_once_when_it_is_not_ahead_any_more(house, listener):
    house.meet_the_sibling()
    listener._watcher.fire()
    listener.relieved()
    assert listener._watcher.fire is None
    house.sibling.hold(1)
    listener.relieved()
    assert listener._watcher.fire is not None
    assert house.timers[-1].fire is None


def test_what_a_sibling_has_taken_meanwhile_is_not_waited_for(house, listener):
    house.meet_the_sibling()
    listener._watcher.fire()
    other = listener._sock.dup()
    for _ in range(79):
        other.accept()[0].close()
    other.close()
    house.timers[-1].fire()
    assert house.taken == 1
    assert listener._watcher.fire is not None


@pytest.fixture
def four(tmp_path):
    with serving(tmp_path, settings="workers = 4") as server:
        pids = set()
        server.until(lambda: pids.add(server.get("/pid").body) or len(pids) == 4, seconds=20)
        yield server


def shares(server, number, *, at_once):
    """How many of so many connections each worker has; they are kept until all are there."""
    if at_once:
        clients = [found.get() for found in [gevent.spawn(server.client) for _ in range(number)]]
    else:
        clients = [server.client() for _ in range(number)]
    found = Counter(int(client.get("/pid").body) for client in clients)
    for client in clients:
        client.sock.close()
    return found


def most_even(server, number, *, at_once):
    """Of three such: after a pause of the machine the workers have not heard of each other, and one may take all."""
    return min((shares(server, number, at_once=at_once) for _ in range(3)), key=lambda found: max(found.values()))


@pytest.mark.parametrize("at_once", [True, False])
def test_sixty_four_connections_are_spread_over_four_workers(four, at_once):
    found = most_even(four, 64, at_once=at_once)
    assert len(found) == 4
    assert all(12 <= share <= 20 for share in found.values()), found


def test_with_one_worker_blocked_the_others_take_all_and_evenly(four):
    held = four.client().send("GET /block?s=6 HTTP/1.1\r\nHost: a\r\n\r\n")
    four.until(lambda: "The loop is held for" in four.words())
    began = time.monotonic()
    found = most_even(four, 60, at_once=False)
    assert time.monotonic() - began < 2 + PAUSE  # the worker is blocked for six
    assert len(found) == 3
    assert all(14 <= share <= 26 for share in found.values()), found
    held.sock.close()


def test_with_one_worker_killed_the_others_take_all(four):
    os.kill(four.workers()[0], signal.SIGKILL)
    began = time.monotonic()
    assert sum(shares(four, 40, at_once=True).values()) == 40
    assert time.monotonic() - began < 2 + PAUSE
