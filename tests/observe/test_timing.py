"""`Server-Timing`: what a browser's developer tools show of a run."""

import pytest

from fastdag.observe.timing import server_timing
from fastdag.result import Span
from tests.observe.common import shop, upstream
from tests.web.common import client


def test_every_node_that_ran_has_its_time():
    response = client(shop(upstream()), "/products/{id}", server_timing=True).get("/products/7")
    names = [metric.partition(";")[0] for metric in response.headers["Server-Timing"].split(", ")]
    assert names == ["product", "seller", "offer"]


def test_failed_answers_have_it_too():
    served = client(shop(upstream((500, b""))), "/products/{id}", server_timing=True)
    assert ';desc="failed"' in served.get("/products/7", status=502).headers["Server-Timing"]


def test_it_is_not_sent_unless_asked_for():
    assert "Server-Timing" not in client(shop(upstream()), "/products/{id}").get("/products/7").headers


@pytest.mark.parametrize(
    ("span", "metric"),
    [
        (Span("a", "ok", 0.0, 0.0123), "a;dur=12.3"),
        (Span("a", "failed", 0.0, 1.0), 'a;dur=1000.0;desc="failed"'),
        (Span('a "b"', "ok", 0.0, 0.0), 'a__b_;dur=0.0;desc="a \\"b\\""'),
        (Span("a,b;c", "fallback", 0.0, 0.0), 'a_b_c;dur=0.0;desc="a,b;c fallback"'),
        (Span("a\r\nSet-Cookie: x=1", "ok", 0.0, 0.0), "a__Set-Cookie__x_1;dur=0.0"),
        (Span("süß", "ok", 0.0, 0.0), "s__;dur=0.0"),
    ],
)
def test_names_are_tokens_and_the_rest_is_described(span, metric):
    assert server_timing([span]) == metric


def test_a_header_has_an_end():
    assert server_timing([Span("a", "ok", 0.0, 0.0)] * 500).count("dur") == 50
