"""Who holds the loop: found by another thread, and named as the node it is."""

import sys
import time
from types import SimpleNamespace

import pytest
from gevent.monkey import get_original

from fastdag import Graph
from fastdag.pressure import Pressure
from fastdag.server.heartbeat import INTERVAL, Heartbeat
from fastdag.server.siblings import Board, Seat
from fastdag.server.watchdog import Watchdog, culprit


@pytest.fixture
def found():
    """Called while something runs: who another thread says it is."""
    seen = []
    me = get_original("_thread", "get_ident")()
    sleep = get_original("time", "sleep")

    def look():
        seen.append(culprit(sys._current_frames()[me]))

    def ask():
        get_original("_thread", "start_new_thread")(look, ())
        until = time.monotonic() + 5
        while not seen and time.monotonic() < until:
            sleep(0.001)
        return seen[0]

    return ask


def test_a_node_that_holds_the_loop_is_named_with_its_function(found):
    graph = Graph("page")

    @graph.node
    def quick(context):
        return 1

    @graph.node
    def heavy(context, quick):
        return deeper()

    def deeper():
        return found()

    _, merged = graph.run(None)
    assert "node 'heavy' in " in merged["heavy"]
    assert "test_watchdog.py" in merged["heavy"]


def test_code_outside_of_any_node_is_named_by_its_function(found):
    assert found().startswith("found.<locals>.ask (")


class House:
    """What the watchdog and the heartbeat need of it."""

    def __init__(self, blocked_after=0.05):
        timer = SimpleNamespace(start=lambda callback: None, stop=lambda: None, close=lambda: None)
        self.loop = SimpleNamespace(timer=lambda after, repeat: timer)
        self.options = SimpleNamespace(blocked_after=blocked_after)
        self.pressure = Pressure()
        self.connections = set()
        self.shedding = False
        self.entered = 0.0
        self.seat = Seat(Board(), 0)
        self.held = []
        self.lags = []
        self.held_by = self.held.append
        self.lagged = self.lags.append
        self.refresh_date = lambda: None


def test_the_watchdog_reports_each_hold_once_and_never_a_loop_that_turns():
    house, lines = House(), []
    pumps = SimpleNamespace(write=lines.append)
    heartbeat = SimpleNamespace(last=time.monotonic())
    watchdog = Watchdog(house, heartbeat, pumps)
    sleep = get_original("time", "sleep")
    until = time.monotonic() + 5
    while not lines and time.monotonic() < until:
        sleep(0.01)
    sleep(3 * INTERVAL)
    watchdog.stop()
    assert len(house.held) == len(lines) == 1
    assert "The loop is held for" in lines[0]
    assert "test_the_watchdog_reports_each_hold_once" in lines[0]


@pytest.fixture
def clock(monkeypatch):
    instant = SimpleNamespace(now=100.0)
    monkeypatch.setattr("fastdag.server.heartbeat.now", lambda: instant.now)
    monkeypatch.setattr("fastdag.server.watchdog.now", lambda: instant.now)
    return instant


def by_hand(house, heartbeat, sleep, monkeypatch):
    """A watchdog without its thread, which sleeps as it is told to; the test has it watch."""
    monkeypatch.setattr(
        "fastdag.server.watchdog.original",
        lambda module, name: {"sleep": sleep, "get_ident": int, "start_new_thread": lambda *_: None}[name],
    )
    return Watchdog(house, heartbeat, SimpleNamespace(write=None))


def test_a_long_turn_of_many_short_requests_is_nobodys_hold(clock, monkeypatch):
    """The loop does not beat for three seconds, in which a request begins every hundredth."""
    house, reports = House(), []

    def sleep(seconds):
        clock.now += seconds
        house.entered = clock.now // 0.01 * 0.01
        if clock.now > 103:
            watchdog.stop()

    watchdog = by_hand(house, SimpleNamespace(last=100.0), sleep, monkeypatch)
    monkeypatch.setattr(watchdog, "_report", reports.append)
    watchdog._watch()
    assert reports == []


@pytest.mark.parametrize("held_from", [100.5, 101.013, 101.049, 101.05, 101.051])
def test_a_hold_is_reported_as_soon_as_it_has_lasted_that_long(clock, monkeypatch, held_from):
    """The loop beats, is held from then on for a second, and beats again; the thread's sleeping is what time is."""
    house, heartbeat, reports = House(blocked_after=0.25), SimpleNamespace(last=100.0), []
    woken = []

    def sleep(seconds):
        assert seconds > 0
        clock.now += seconds
        woken.append(clock.now)
        if not held_from < clock.now < held_from + 1:
            heartbeat.last = clock.now // INTERVAL * INTERVAL
        else:
            heartbeat.last = held_from // INTERVAL * INTERVAL
        if clock.now > 110:
            watchdog.stop()

    watchdog = by_hand(house, heartbeat, sleep, monkeypatch)
    monkeypatch.setattr(watchdog, "_report", lambda held: reports.append((clock.now - held_from, held)))
    watchdog._watch()
    ((after, held),) = reports
    assert 0.25 - INTERVAL <= after <= 0.25 + 1e-6  # it began between two beats, nobody knows when
    assert held >= 0.25 - 1e-6
    assert len(woken) < 60  # in ten seconds


def test_a_loop_that_lags_for_a_second_sheds_and_one_turn_in_time_ends_that(clock):
    house = House()
    heartbeat = Heartbeat(house)
    shed = []
    for lag in (0.0, 0.2, 0.5, 0.5, 0.5, 0.0):
        clock.now += INTERVAL + lag
        heartbeat._beat()
        shed.append(house.shedding)
    assert shed == [False, False, False, True, True, False]
    assert [round(lag, 3) for lag in house.lags] == [0.2, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("lags", "levels"),
    [
        ((0.0, 5.0, 0.0, 0.0), [0, 0, 0, 0]),
        ((0.0, 5.0, 0.09, 0.0), [0, 0, 0.8, 0]),
        ((0.09, 0.2, 0.3, 0.075, -0.05), [0, 0.8, 1, 0.5, 0]),
    ],
    ids=["held once, then in time", "held once, and the next turn is long, too", "turns that stay long"],
)
def test_two_late_turns_in_a_row_are_pressure_and_one_is_not(clock, lags, levels):
    house = House()
    heartbeat = Heartbeat(house)
    seen = []
    for lag in lags:
        clock.now += INTERVAL + lag
        heartbeat._beat()
        seen.append(house.pressure.level)
    assert seen == pytest.approx(levels)


def test_connections_do_not_expire_in_a_late_turn_whose_bytes_nobody_has_read_yet(clock):
    house = House()
    expired = []
    house.connections = [SimpleNamespace(expires=101.0, half_closed=False, expire=lambda: expired.append(clock.now))]
    heartbeat = Heartbeat(house)
    clock.now += 5
    heartbeat._beat()
    assert expired == []
    clock.now += INTERVAL
    heartbeat._beat()
    assert expired == [clock.now]
