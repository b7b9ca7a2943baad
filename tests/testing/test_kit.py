"""The kit as a whole: its names, its one request without a socket, and its look for leaks."""

import gevent
import pytest

import fastdag.testing
from fastdag.testing import Asked, ask, no_leaks


@pytest.mark.parametrize("name", fastdag.testing.__all__)
def test_every_name_is_there_and_says_what_it_is(name):
    found = getattr(fastdag.testing, name)
    if name != "FAULTS":
        assert found.__doc__.strip()
        assert len(found.__doc__.splitlines()) <= 25


class Program:
    """A WSGI program that says what it was asked, and whether it was told that its answer is sent."""

    closed = False

    def __call__(self, environ, start_response):
        self.environ = environ
        self.body = environ["wsgi.input"].read()
        start_response("201 Created", [("X-A", "1"), ("X-A", "2")])
        return self

    def __iter__(self):
        return iter([b"a", b"b"])

    def close(self):
        self.closed = True


def test_a_request_is_sent_and_its_answer_taken_whole():
    program = Program()
    answered = ask(program, Asked("/a%20b?c=%20", "POST", {"X-Who": "me", "Content-Type": "text/plain"}, b"body"))
    assert (answered.status, answered.headers, answered.body) == (201, (("X-A", "1"), ("X-A", "2")), b"ab")
    assert program.closed
    asked = {"REQUEST_METHOD": "POST", "PATH_INFO": "/a b", "QUERY_STRING": "c=%20", "HTTP_X_WHO": "me"}
    asked |= {"CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "4"}
    assert asked.items() <= program.environ.items()
    assert program.body == b"body"


def test_what_ends_soon_is_no_leak():
    with no_leaks():
        gevent.spawn(gevent.sleep, 0.02)


def test_what_stays_is_one():
    with pytest.raises(AssertionError, match="left running: <Greenlet"), no_leaks(patience=0.02):
        left = gevent.spawn(gevent.sleep, 30)
    left.kill()


def test_what_ran_before_is_none():
    before = gevent.spawn(gevent.sleep, 30)
    with no_leaks(patience=0.0):
        pass
    before.kill()
