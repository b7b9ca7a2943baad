"""What a peer may say counts only if the peer was declared."""

from __future__ import annotations

from typing import Any

import pytest

from fastdag import deadline
from fastdag.context import Context
from fastdag.web.trust import Trust
from tests.web.common import client, graph_of

PROXY = {"REMOTE_ADDR": "10.1.2.3"}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("0.25", 0.25),
        ("0", 0.0),
        ("-1", 0.0),
        ("1e9", 2.0),
        ("inf", 2.0),
        ("NaN", 2.0),
        ("soon", 2.0),
        ("0.1, 0.2", 2.0),
        ("", 2.0),
        (None, 2.0),
    ],
)
def test_the_deadline_header_is_clamped_to_the_limit_of_the_route(said: str | None, left: float) -> None:
    environ = {**PROXY, **({} if said is None else {"HTTP_FASTDAG_DEADLINE": said})}

    assert Trust(("10.0.0.0/8",)).seconds_left(environ, 2.0) == left


def test_a_route_without_a_limit_takes_what_the_header_says() -> None:
    assert Trust(("10.1.2.3",)).seconds_left({**PROXY, "HTTP_FASTDAG_DEADLINE": "7"}, None) == 7.0


def test_an_untrusted_peer_says_nothing() -> None:
    assert Trust(("192.168.0.0/16",)).seconds_left({**PROXY, "HTTP_FASTDAG_DEADLINE": "0"}, 2.0) == 2.0


@pytest.mark.parametrize(("address", "trusted"), [("", True), ("10.0.0.1", False), ("::1", True), ("garbage", False)])
def test_sockets_and_ipv6_can_be_trusted(address: str, trusted: bool) -> None:
    assert Trust(("unix", "::1")).has(address) is trusted


def test_no_time_left_is_504_without_running_a_node() -> None:
    ran: list[Any] = []

    app = client(graph_of(ran_by(ran)), app={"trusted": ("10.0.0.0/8",), "deadline_header": "X-Time-Left"})
    response = app.get("/", headers={"X-Time-Left": "0"}, extra_environ=PROXY, status=504)

    assert response.json["reason"] == "timeout"
    assert ran == []


def test_nodes_see_the_shorter_deadline() -> None:
    ran: list[Any] = []

    app = client(graph_of(ran_by(ran)), app={"trusted": ("10.0.0.0/8",)})
    app.get("/", headers={"Fastdag-Deadline": "0.5"}, extra_environ=PROXY)

    assert 0 < ran[0] <= 0.5


def ran_by(ran: list[Any]) -> Any:
    def node(context: Context) -> None:
        ran.append(deadline.remaining(context.deadline))

    return node


@pytest.mark.parametrize(
    ("peer", "forwarded", "client_address"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "6.6.6.6, garbage", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_trusted(peer: str, forwarded: str, client_address: str) -> None:
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}

    assert Trust(("10.0.0.0/8",)).client(environ) == client_address


def test_nodes_see_the_client_s_address() -> None:
    def node(context: Context) -> dict[str, str]:
        return {"client": context.client}

    app = client(graph_of(node), app={"trusted": ("10.0.0.0/8",)})
    forwarded = {"X-Forwarded-For": "6.6.6.6, 1.2.3.4"}

    assert app.get("/", headers=forwarded, extra_environ=PROXY).json == {"client": "1.2.3.4"}
    assert app.get("/", headers=forwarded, extra_environ={"REMOTE_ADDR": "9.9.9.9"}).json == {"client": "9.9.9.9"}


def test_misuse_is_refused() -> None:
    with pytest.raises(TypeError, match=r"trusted=\('10.0.0.1',\)"):
        Trust("10.0.0.1")
    with pytest.raises(ValueError, match=r"proxy\.local"):
        Trust(("proxy.local",))
