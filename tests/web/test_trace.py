"""The cases of the W3C's trace-context test suite for what comes in, and what is sent on for each of them."""

from __future__ import annotations

import re
import time

import pytest

from fastdag.context import Context
from fastdag.web.trace import trace_context
from tests.machine import least
from tests.web.common import client, graph_of

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
GOOD = f"00-{TRACE}-{SPAN}-01"


def sent(parent: str | None = GOOD, state: str | None = None) -> dict[str, str]:
    environ = {"HTTP_TRACEPARENT": parent, "HTTP_TRACESTATE": state}
    return dict(trace_context({key: value for key, value in environ.items() if value is not None}))


@pytest.mark.parametrize(
    ("parent", "handed_on"),
    [
        (GOOD, GOOD),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-ff"),
        (f" \t{GOOD} \t", GOOD),
        (f"cc-{TRACE}-{SPAN}-01", GOOD),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", GOOD),
        (f"cc-{TRACE}-{SPAN}-fe", f"00-{TRACE}-{SPAN}-02"),
    ],
)
def test_a_valid_parent_is_handed_on_in_the_version_we_speak(parent: str, handed_on: str) -> None:
    assert sent(parent) == {"traceparent": handed_on}


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "garbage",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01.",
        f"cc-{TRACE}-{SPAN}-01.what-the-future",
        f".0-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}9-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN[:-1]}.-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE}-{SPAN}9-01",
        f"00-{TRACE}-{SPAN}-.0",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}-001",
        f"00-{TRACE[:-1]}A-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"00{TRACE}{SPAN}01",
        f"{GOOD},{GOOD}",
        f"{GOOD}\n",
        f"00-{'１' * 32}-{SPAN}-01",
    ],
)
def test_anything_else_begins_a_new_trace_without_a_state(parent: str | None) -> None:
    made = sent(parent, "foo=1")

    assert list(made) == ["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", made["traceparent"])
    assert TRACE not in made["traceparent"]


@pytest.mark.parametrize(
    ("state", "handed_on"),
    [
        ("foo=1", "foo=1"),
        ("foo=1,bar=2", "foo=1,bar=2"),
        ("foo=1 \t , \t bar=2", "foo=1,bar=2"),
        ("foo=1,", "foo=1"),
        (",,foo=1", "foo=1"),
        ("foo-_*/bar=1", "foo-_*/bar=1"),
        ("1a@vendor=1", "1a@vendor=1"),
        ("foo=inner space", "foo=inner space"),
        ("z" * 256 + "=1", "z" * 256 + "=1"),
        ("t" * 241 + "@" + "v" * 14 + "=1", "t" * 241 + "@" + "v" * 14 + "=1"),
        ("foo=" + "x" * 256, "foo=" + "x" * 256),
        (",".join(f"k{n}=1" for n in range(32)), ",".join(f"k{n}=1" for n in range(32))),
    ],
)
def test_a_well_formed_state_goes_along(state: str, handed_on: str) -> None:
    assert sent(state=state) == {"traceparent": GOOD, "tracestate": handed_on}


@pytest.mark.parametrize(
    "state",
    [
        "",
        " ",
        "foo",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "foo@=1,bar=2",
        "@foo=1,bar=2",
        "foo@@bar=1",
        "foo@bar@baz=1",
        "foo=1,foo=1",
        "foo=1,foo=2",
        "foo=",
        "foo=bar=baz",
        "z" * 257 + "=1",
        "t" * 242 + "@v=1",
        "t@" + "v" * 15 + "=1",
        "foo=" + "x" * 257,
        "foo=a\x7fb",
        ",".join(f"k{n}=1" for n in range(33)),
    ],
)
def test_a_malformed_state_is_dropped_and_the_parent_kept(state: str) -> None:
    assert sent(state=state) == {"traceparent": GOOD}


def test_nodes_and_upstreams_find_what_to_send_along() -> None:
    def node(context: Context) -> dict[str, list[list[str]]]:
        return {"outbound": [list(pair) for pair in context.outbound]}

    headers = {"traceparent": GOOD, "tracestate": "foo=1", "X-Request-Id": "r-1"}
    response = client(graph_of(node)).get("/", headers=headers)

    assert response.json["outbound"] == [["X-Request-Id", "r-1"], ["traceparent", GOOD], ["tracestate", "foo=1"]]
    assert "Vary" not in response.headers


@pytest.mark.parametrize("hostile", ["-" * 8000, "a=" + " " * 8000, "a@" * 4000, "k=1," * 2000])
def test_hostile_headers_take_no_time(hostile: str) -> None:
    def measured() -> float:
        begin = time.process_time()
        sent(state=hostile)
        sent(parent=hostile)
        return time.process_time() - begin

    assert least(measured) < 0.01
