"""How a node can end."""

import dataclasses

import pytest

from fastdag import Outcome
from fastdag.outcome import REASONS, STATES


def test_the_states_are_five():
    assert STATES == ("ok", "fallback", "skipped", "failed", "cancelled")


def test_the_reasons_are_a_closed_set():
    assert sorted(REASONS) == [
        "breaker_open",
        "bulkhead_full",
        "cancelled",
        "connect",
        "decode",
        "dependency",
        "exception",
        "invalid",
        "protocol",
        "shed",
        "status",
        "timeout",
        "too_large",
    ]


@pytest.mark.parametrize("state", STATES)
def test_an_outcome_is_ok_when_there_is_data(state):
    assert Outcome(state).ok is (state in ("ok", "fallback"))


def test_an_outcome_cannot_be_changed():
    outcome = Outcome("ok", 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        outcome.state = "failed"
    assert [field.name for field in dataclasses.fields(outcome)] == [
        "state",
        "value",
        "error",
        "reason",
        "started",
        "elapsed",
    ]
