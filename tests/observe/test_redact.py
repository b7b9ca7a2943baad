"""Secrets that no log may hold, and texts that are none."""

import random
import time

import pytest

from fastdag.observe import redact as module
from fastdag.observe.redact import one_line, redact

# Pieces of secrets and of what is none, of which texts are put together.
PIECES = (
    "token",
    "=",
    ":",
    "%3D",
    " ",
    "\n",
    "\u00a0",
    "Bearer",
    "eyJabcdef.ghijklm.x",
    "EYJ",
    "/a",
    "sid",
    "é",
    "//",
    "@",
    '"',
    "'",
    "\\",
    "[]",
    "%5B",
    "key",
    "-",
    "ghp_0123456789abcdef",
    "github_pat_0123456789",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA0123456789-abcdef",
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("token=abc123&x=1", "token=***&x=1"),
        ("access_token: abc", "access_token: ***"),
        ("client-secret=s3cr3t;next", "client-secret=***;next"),
        ('{"password": "hunter2", "user": "ada"}', '{"password": "***", "user": "ada"}'),
        ("{'api_key': 'k-123'}", "{'api_key': '***'}"),
        ("Authorization: Basic YWRhOmxvdmU=", "Authorization: ***"),
        ("got Bearer abcdef.ghi-jkl", "got Bearer ***"),
        ("Cookie: sid=1; theme=dark", "Cookie: ***"),
        ("set-cookie: sid=1; Path=/\nnext line", "set-cookie: ***\nnext line"),
        ("redis://user:pa55@cache:6379/0", "redis://***@cache:6379/0"),
        (f"/reset/{JWT}", "/reset/***"),
        ("PASSWORD=Hunter2", "PASSWORD=***"),
        ("next%3Ftoken%3Dabc", "next%3Ftoken%3D***"),
        ('{"password": "correct horse battery"}', '{"password": "***"}'),
        ('token="x y" next', 'token="***" next'),
        ("token='it\\'s \"x\" y' next", "token='***' next"),
        (r'{"secret": "a \" b", "user": "ada"}', '{"secret": "***", "user": "ada"}'),
        ('password="never closed\nnext line', 'password="***\nnext line'),
        ('{"authorization": "Digest a=\\"b c\\", d", "user": 1}', '{"authorization": "***", "user": 1}'),
        ('Authorization: Digest username="ada", response="6629fae4"', "Authorization: ***"),
        ("curl -H 'Authorization: Bearer abcdefg' /x", "curl -H 'Authorization: ***' /x"),
        ("?token[]=abc&token%5B%5D=def&token[0]=ghi", "?token[]=***&token%5B%5D=***&token[0]=***"),
        ("?auth=abc&otp=123456&pass=x", "?auth=***&otp=***&pass=***"),
        ("/maps?key=AIzaSyA0123456789_abcdefghijklmnopqrst", "/maps?key=***"),
        ("/maps/AIzaSyA0123456789-abcdefghijklmnopqrst", "/maps/***"),
        ("cloned with ghp_16C7e42F292c6912E7710c838347Ae178B4a", "cloned with ***"),
        ("/github_pat_11ABCDEFG0123456789_abc/x", "/***/x"),
        ("/AKIAIOSFODNN7EXAMPLE/x", "/***/x"),
        (f"/reset-{JWT}", "/reset-***"),
    ],
)
def test_secrets_are_masked(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/products/42",
        "the tokens are fine",
        "basic needs",
        "http://catalog:8080/x",
        "passing=1",
        "max-age=60",
        "monkey=5",
        "sort_key=name",
        "author=ada",
        "bypass=1",
        'token=""',
        "/asiatic-cuisine-and-more",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "token=" * 20_000,
        "a_" * 50_000,
        "://" * 30_000,
        "eyJ" + "a." * 50_000,
        "eyJ-" * 25_000,
        "eyJ-" * 25_000 + ".aaaaa.",
        "sid " * 20_000,
        'token="' * 15_000,
        "token='\"" * 12_000,
        'token="' + "\\" * 100_000,
        'cookie:="' * 12_000,
        "token[" * 17_000,
        "token" + "[]" * 50_000,
        "token%5B%5D" * 10_000,
        "token" + " " * 100_000,
        "ghp_" * 25_000,
        "AIza-" * 20_000,
    ],
    ids=range(17),
)
def test_no_text_takes_long(text):
    start = time.process_time()
    redact(text)
    one_line(text)
    assert time.process_time() - start < 0.5  # the square of their lengths would be minutes


def test_a_line_has_an_end():
    assert len(one_line("x" * 10_000, limit=100)) == 101


@pytest.mark.parametrize(
    "text", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1b[0m", "\u202e", "\udc80", "\x00"]
)
def test_a_line_is_one_line_of_valid_unicode(text):
    found = one_line(f"a{text}b")
    assert len(found.splitlines()) == 1
    assert found.isprintable()
    found.encode()


def test_a_text_that_is_not_looked_through_would_not_have_changed(monkeypatch):
    lots = random.Random(7)
    texts = ["".join(lots.choices(PIECES, k=lots.randint(1, 6))) for _ in range(3000)]
    quick = [one_line(text) for text in texts]
    looked_through = sum(bool(module._SUSPICIOUS(text)) for text in texts)
    assert 0 < looked_through < len(texts)
    monkeypatch.setattr(module, "_SUSPICIOUS", lambda text: True)
    assert [one_line(text) for text in texts] == quick
