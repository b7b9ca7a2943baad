"""The tree of errors: whose fault it is, which reason it stands for, and that all of it can be pickled."""

import json
import pickle

import gevent
import pytest
import requests
import urllib3

import fastdag
from fastdag import errors
from fastdag.outcome import REASONS

UPSTREAM = {
    errors.UpstreamTimeout: "timeout",
    errors.UpstreamConnectError: "connect",
    errors.UpstreamProtocolError: "protocol",
    errors.UpstreamStatusError: "status",
    errors.Relayed: "status",
    errors.UpstreamDecodeError: "decode",
    errors.UpstreamTooLarge: "too_large",
    errors.UpstreamRejected: "breaker_open",
    errors.InvalidValue: "invalid",
    errors.MissingValue: "dependency",
}


@pytest.mark.parametrize("kind", UPSTREAM, ids=lambda kind: kind.__name__)
def test_every_upstream_error_has_a_reason_of_the_closed_set(kind):
    error = kind("no answer", upstream="catalog")
    assert isinstance(error, errors.UpstreamError)
    assert error.reason == UPSTREAM[kind]
    assert error.reason in REASONS
    assert errors.reason_of(error) == error.reason
    assert str(error) == "catalog: no answer"
    assert (error.sent, error.received) == (False, False)


@pytest.mark.parametrize("kind", UPSTREAM, ids=lambda kind: kind.__name__)
def test_an_upstream_error_can_be_pickled(kind):
    error = kind("no answer", upstream="catalog", reason="shed", sent=True, received=True)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_a_pickled_status_error_leaves_the_response_behind():
    error = errors.UpstreamStatusError("404", status=404, retry_after=1.5, response=lambda: "cannot be pickled")
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.retry_after, again.response) == (404, 1.5, None)


def test_a_pickled_rejection_keeps_when_to_come_again():
    assert pickle.loads(pickle.dumps(errors.UpstreamRejected("open", retry_after=2.0))).retry_after == 2.0


def test_a_graph_error_lists_its_problems():
    error = errors.GraphError(["page: one", "page: two"])
    assert error.problems == ("page: one", "page: two")
    assert str(error) == "page: one\npage: two"
    assert errors.GraphError("alone").problems == ("alone",)
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_a_node_error_can_be_pickled_without_its_result():
    error = errors.NodeError("a", "timeout", "too late", result=lambda: "cannot be pickled")
    again = pickle.loads(pickle.dumps(error))
    assert (again.node_id, again.reason, again.message, again.result) == ("a", "timeout", "too late", None)
    assert str(again) == "a failed (timeout): too late"
    assert str(errors.NodeError("a", "timeout")) == "a failed (timeout)"


def test_errors_are_also_what_python_calls_them():
    assert issubclass(fastdag.UpstreamTimeout, TimeoutError)
    assert issubclass(fastdag.UpstreamConnectError, ConnectionError)
    assert issubclass(errors.InvalidValue, ValueError)
    assert issubclass(errors.MissingValue, LookupError)
    assert issubclass(fastdag.GraphError, ValueError)


@pytest.mark.parametrize(
    "error, reason",
    [
        (TimeoutError(), "timeout"),
        (gevent.Timeout(1), "timeout"),
        (requests.Timeout(), "timeout"),
        (requests.ConnectTimeout(), "timeout"),
        (requests.ReadTimeout(), "timeout"),
        (urllib3.exceptions.ReadTimeoutError(None, "", ""), "timeout"),
        (requests.ConnectionError(), "connect"),
        (ConnectionRefusedError(), "connect"),
        (BrokenPipeError(), "connect"),
        (requests.exceptions.ChunkedEncodingError(), "protocol"),
        (requests.exceptions.JSONDecodeError("no", "", 0), "decode"),
        (requests.HTTPError(), "status"),
        (errors.NodeError("inner", "breaker_open"), "breaker_open"),
        (json.JSONDecodeError("no", "", 0), "exception"),
        (ValueError(), "exception"),
        (OSError(), "exception"),
        (gevent.GreenletExit(), "exception"),
        (SystemExit(), "exception"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__qualname__,
)
def test_whatever_leaves_a_node_stands_for_one_reason(error, reason):
    assert errors.reason_of(error) == reason
    assert reason in REASONS


def test_every_error_is_in_the_tree_that_is_drawn():
    drawn = errors.__doc__
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == errors.__name__]
    assert all(issubclass(kind, errors.FastdagError) for kind in kinds)
    assert [kind.__name__ for kind in kinds if kind.__name__ not in drawn] == []
