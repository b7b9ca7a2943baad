"""The access log: gunicorn's lines, in gunicorn's formats, whatever is left out on the way."""

import logging
from datetime import timedelta

import gevent
import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from fastdag.server.access import AccessLog, Logged

ENVIRON = {
    "REMOTE_ADDR": "10.0.0.1",
    "REQUEST_METHOD": "GET",
    "RAW_URI": "/a%20b?c",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "PATH_INFO": "/a b",
    "QUERY_STRING": "c",
    "HTTP_REFERER": 'http://x/"quoted"',
    "HTTP_USER_AGENT": "test",
    "HTTP_AUTHORIZATION": "Basic YWRhOnNlY3JldA==",
    "wsgi.url_scheme": "http",
}
REQUEST_HEADERS = [("X-A", "one"), ("USER-AGENT", "test")]
DEFAULT = '%(h)s %(l)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        self.found.append(record.getMessage())


@pytest.mark.parametrize(
    "form",
    [
        DEFAULT,
        "%(m)s %(U)s %(q)s %(H)s %(B)s %(T)s %(D)s %(M)s %(L)s %(nothing)s",
        "%({x-a}i)s %({x-b}o)s %({raw_uri}e)s",
    ],
)
@pytest.mark.parametrize("own_logger", [False, True])
def test_a_line_says_what_gunicorns_own_would(form, own_logger):
    cfg = Config()
    cfg.set("accesslog", "-")
    cfg.set("access_log_format", form)
    log = (type("Own", (Logger,), {}) if own_logger else Logger)(cfg)
    lines = Lines()
    log.access_log.addHandler(lines)
    answer = Logged("200 OK", 12, [("X-B", "two")])
    access = AccessLog(log)
    access.note(answer, REQUEST_HEADERS, ENVIRON, 1.5)
    gevent.sleep(0)  # the scribe
    access.close()
    log.access(answer, REQUEST_HEADERS, ENVIRON, timedelta(seconds=1.5))
    log.access_log.removeHandler(lines)
    assert len(lines.found) == 2
    assert lines.found[0] == lines.found[1]


def test_a_logger_that_raises_does_not_end_the_log():
    cfg = Config()
    cfg.set("accesslog", "-")
    lines = []

    class Broken(Logger):
        def access(self, answer, request, environ, seconds):
            lines.append(environ["REQUEST_METHOD"])

        def exception(self, *args):
            lines.append(args[0])

    access = AccessLog(Broken(cfg))
    for environ in ({}, ENVIRON):
        access.note(Logged("200 OK", 1), (), environ, 0.1)
    gevent.sleep(0)
    access.close()
    assert lines == ["Error writing the access log", "GET"]


def test_without_an_access_log_nobody_waits_for_lines():
    assert AccessLog(Logger(Config()))._scribe is None
