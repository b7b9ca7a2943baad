"""Who is told what: a closed set of names, and instruments that can do no harm."""

import ast
import logging
import sys
from pathlib import Path

import gevent
import pytest
from gevent.threadpool import ThreadPool

import fastdag
from fastdag.events import EVENTS, TOGETHER, Bare, Gathered, Instruments


def test_nobody_listens_at_first():
    instruments = Instruments()
    assert instruments.active is False
    instruments.emit("run.ended", graph="page")


def test_everybody_who_asked_is_told_in_order():
    told, instruments = [], Instruments()
    instruments.on("run.ended", lambda name, fields: told.append((1, name, fields)))
    instruments.on("run.ended", lambda name, fields: told.append((2, name, fields)))
    instruments.on("run.started", lambda name, fields: told.append((3, name, fields)))
    instruments.emit("run.ended", graph="page")
    assert told == [(1, "run.ended", {"graph": "page"}), (2, "run.ended", {"graph": "page"})]


def test_an_instrument_can_be_taken_off():
    told, instruments = [], Instruments()

    def instrument(name, fields):
        told.append(name)

    instruments.on("run.ended", instrument)
    instruments.off("run.ended", instrument)
    instruments.off("run.ended", instrument)
    assert instruments.active is False
    instruments.emit("run.ended")
    assert told == []


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"^no event is called 'run\.end'; the events are .*run\.ended"):
        Instruments().on("run.end", print)


def test_an_instrument_that_raises_is_switched_off_and_the_others_go_on(caplog):
    told, instruments = [], Instruments()

    def broken(name, fields):
        raise ValueError("broken")

    instruments.on("run.ended", broken)
    instruments.on("run.ended", lambda name, fields: told.append(name))
    with caplog.at_level(logging.ERROR, logger="fastdag.events"):
        instruments.emit("run.ended")
        instruments.emit("run.ended")
    assert told == ["run.ended"] * 2
    assert len(caplog.records) == 1
    assert "raised at run.ended and is switched off" in caplog.text


def test_values_are_told_in_the_order_of_the_fields():
    told, instruments = [], Instruments()
    instruments.on("run.ended", Bare(lambda *values: told.append(values)))
    instruments.on("run.ended", lambda name, fields: told.append((name, dict(fields))))
    instruments.tell("run.ended", "page", "the run", 0.1)
    instruments.emit("run.ended", elapsed=0.1, graph="page", run="the run")
    bare, mapped = ("page", "the run", 0.1), ("run.ended", {"graph": "page", "run": "the run", "elapsed": 0.1})
    assert told == [bare, mapped, bare, mapped]


def test_fields_cannot_be_changed():
    instruments, failed = Instruments(), []

    def changes(name, fields):
        try:
            fields["graph"] = "another"
        except TypeError as error:
            failed.append(error)

    instruments.on("run.started", changes)
    instruments.tell("run.started", "page", "the run")
    instruments.emit("run.started", graph="page", run="the run")
    assert len(failed) == 2


def test_a_bare_instrument_that_raises_is_switched_off_and_can_be_taken_off(caplog):
    def broken(graph, run):
        raise ValueError("broken")

    instruments = Instruments()
    instruments.on("run.started", Bare(broken))
    instruments.tell("run.started", "page", "the run")
    assert "raised at run.started and is switched off" in caplog.text
    assert instruments.active is False
    instruments.on("run.started", Bare(broken))
    instruments.off("run.started", Bare(broken))
    assert instruments.active is False


def test_names_have_a_subject_and_a_verb():
    assert all(name.count(".") == 1 for name in EVENTS)


def test_subjects_are_heard_of_where_somebody_follows_their_course():
    instruments = Instruments()
    instruments.on("node.abandoned", print)
    assert instruments.heard == {"node.abandoned"}
    instruments.on("node.ended", print)
    assert instruments.heard == {"node.abandoned", "node.ended", "node"}
    instruments.off("node.ended", print)
    assert instruments.heard == {"node.abandoned"}


ATTEMPT = ("parts", "http://a", "GET", 0, "the call", 200, "", 0.1)
ALIKE = ("parts", "http://a", "GET", 0, 200, "")


def test_what_is_alike_is_gathered_and_told_of_together():
    told, instruments = [], Instruments()
    gathered = Gathered(lambda *heap: told.append(heap))
    instruments.on("attempt.ended", gathered)
    for _ in range(TOGETHER - 1):
        instruments.tell("attempt.ended", *ATTEMPT)
    instruments.tell("attempt.ended", *ATTEMPT[:-3], 503, "", 0.2)
    assert told == []
    instruments.tell("attempt.ended", *ATTEMPT)
    assert told == [(ALIKE, [0.1] * TOGETHER)]
    gathered.hand_over()
    assert told[1:] == [((*ALIKE[:-2], 503, ""), [0.2])]


def test_what_waits_is_handed_over_once():
    told, instruments = [], Instruments()
    gathered = Gathered(lambda *heap: told.append(heap))
    instruments.on("attempt.ended", gathered)
    instruments.emit("attempt.ended", **dict(zip(EVENTS["attempt.ended"], ATTEMPT, strict=True)))
    gathered.hand_over()
    gathered.hand_over()
    assert told == [(ALIKE, [0.1])]


def test_who_is_alone_has_a_heap_that_can_be_added_to_by_hand():
    told, instruments = [], Instruments()
    gathered = Gathered(lambda *heap: told.append(heap))
    instruments.on("attempt.ended", gathered)
    instruments.tell("attempt.ended", *ATTEMPT)
    instruments.heaps["attempt.ended"][ALIKE].append(0.2)
    gathered.hand_over()
    assert told == [(ALIKE, [0.2, 0.1])]
    instruments.on("attempt.ended", print)
    assert instruments.heaps["attempt.ended"] is None


def test_who_is_gathered_is_told_beside_the_others_and_needs_no_contextvars():
    heaps, told, instruments = [], [], Instruments()
    gathered = Gathered(lambda *heap: heaps.append(heap))
    instruments.on("attempt.ended", gathered)
    assert "attempt" in instruments.heard
    assert instruments.mapped == frozenset()
    instruments.on("attempt.ended", lambda name, fields: told.append(fields["call"]))
    instruments.tell("attempt.ended", *ATTEMPT)
    gathered.hand_over()
    assert (heaps, told) == ([(ALIKE, [0.1])], ["the call"])
    instruments.off("attempt.ended", gathered)
    instruments.tell("attempt.ended", *ATTEMPT)
    gathered.hand_over()
    assert len(heaps) == 1


def test_who_is_gathered_and_raises_is_switched_off(caplog):
    def broken(about, seconds):
        raise ValueError("broken")

    instruments = Instruments()
    instruments.on("attempt.ended", Gathered(broken))
    for _ in range(TOGETHER):
        instruments.tell("attempt.ended", *ATTEMPT)
    assert "raised at attempt.ended and is switched off" in caplog.text
    assert instruments.active is False


@pytest.mark.parametrize("name", ["attempt.started", "run.ended", "call.ended", "request.ended"])
def test_only_that_of_which_there_are_few_kinds_is_gathered(name):
    instruments = Instruments()
    with pytest.raises(ValueError, match=r"only attempt\.ended is gathered"):
        instruments.on(name, Gathered(print))
    assert instruments.active is False


def test_native_threads_lose_nothing_and_count_nothing_twice():
    told, instruments = [], Instruments()
    gathered = Gathered(lambda about, seconds: told.extend(seconds))
    instruments.on("attempt.ended", gathered)

    def work():
        for _ in range(5000):
            instruments.tell("attempt.ended", *ATTEMPT)
            gathered.hand_over()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        pool = ThreadPool(4)
        for ended in [pool.spawn(work) for _ in range(4)]:
            ended.get(timeout=60)
    finally:
        sys.setswitchinterval(interval)
    gathered.hand_over()
    assert len(told) == 20_000
    assert "attempt.ended" in instruments.heard


def test_an_instrument_that_raises_a_timeout_is_switched_off(caplog):
    def late(name, fields):
        raise gevent.Timeout(1)

    instruments = Instruments()
    for tell in (
        lambda: instruments.emit("run.started", graph="g", run=1),
        lambda: instruments.tell("run.started", "g", 1),
    ):
        instruments.on("run.started", late)
        tell()
        assert instruments.active is False
    assert caplog.text.count("is switched off") == 2


def test_every_event_that_is_told_of_has_a_name_in_the_closed_set():
    told = {}
    for path in Path(fastdag.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                if node.func.attr in ("emit", "tell", "_tell") and isinstance(first, ast.Constant):
                    told.setdefault(first.value, path.name)
    assert len(told) > 15
    assert {name: where for name, where in told.items() if name not in EVENTS} == {}
