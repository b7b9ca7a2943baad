"""The worker's options and their misuse."""

import pytest
from gunicorn.config import Config

from fastdag.server import GeventWorker, Options
from fastdag.server.head import Limits
from fastdag.server.listener import most_connections
from fastdag.server.options import on_stock_path, refusals


def test_options_make_a_worker_class_of_their_own():
    chosen = GeventWorker.using(half_close=True, admission=64)
    assert issubclass(chosen, GeventWorker)
    assert (chosen.options.half_close, chosen.options.admission) == (True, 64)
    assert GeventWorker.options == Options()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"halfclose": True}, "no option halfclose; it has admission"),
        ({"admission": 0}, "admission takes a positive integer"),
        ({"max_request_bytes": 1.5}, "max_request_bytes takes a positive integer"),
        ({"header_timeout": None}, "header_timeout cannot be switched off"),
        ({"write_timeout": -1}, "write_timeout takes a positive number"),
        ({"body_timeout": "4"}, "body_timeout takes seconds as a number"),
        ({"linger": None}, "linger takes a number"),
        ({"blocked_after": 0}, "blocked_after takes a positive number"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, says):
    with pytest.raises((TypeError, ValueError), match=says):
        GeventWorker.using(**wrong)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, None),
        ({"certfile": "x.pem"}, "TLS"),
        ({"proxy_protocol": "v2"}, "the PROXY protocol"),
        ({"protocol": "uwsgi"}, "the protocol 'uwsgi'"),
        ({"http2_cleartext": "both", "http_protocols": "h1,h2"}, "HTTP/2"),
    ],
)
def test_what_is_left_to_gunicorns_own_code(settings, why):
    cfg = Config()
    for name, value in settings.items():
        cfg.set(name, value)
    assert on_stock_path(cfg) == why


def test_all_that_is_refused_is_named_at_once():
    cfg = Config()
    for name in ("strip_header_spaces", "permit_obsolete_folding"):
        cfg.set(name, True)
    cfg.set("http_parser", "python")
    assert len(refusals(cfg)) == 3
    assert refusals(Config()) == []


def test_preloading_an_unpatched_program_is_refused(monkeypatch):
    cfg = Config()
    cfg.set("preload_app", True)
    assert refusals(cfg) == []
    monkeypatch.setattr("fastdag.server.options.is_patched", lambda: False)
    assert "first lines of gunicorn.conf.py" in refusals(cfg)[0]


@pytest.mark.parametrize(
    ("line", "fields", "size", "limits"),
    [(4094, 100, 8190, (4094, 100, 8190)), (0, 0, 0, (1 << 20, 256, 8190)), (9000, 10, 100, (8190, 10, 100))],
)
def test_limits_are_read_as_gunicorn_reads_them(line, fields, size, limits):
    cfg = Config()
    cfg.set("limit_request_line", line)
    cfg.set("limit_request_fields", fields)
    cfg.set("limit_request_field_size", size)
    found = Limits(cfg)
    assert (found.line, found.fields, found.field_size) == limits


def test_connections_are_never_more_than_files(monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    assert most_connections(1000) == 32
    monkeypatch.setattr("resource.getrlimit", lambda _: (-1, -1))
    assert most_connections(1000) == 1000
