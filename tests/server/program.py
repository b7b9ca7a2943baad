"""The program that the tests of the worker serve: one plain WSGI callable, with a path for each situation."""

import gc
import json
import os
import sys
import threading
import time
from contextvars import ContextVar
from urllib.parse import parse_qs

import gevent
from gevent.monkey import get_original

user = ContextVar("user", default="nobody")
local = threading.local()
notes = []
worker = None  # set by the hook in the configuration


def post_worker_init(started):
    global worker
    worker = started


def app(environ, start_response):
    handler = globals().get("serve_" + environ["PATH_INFO"].strip("/").replace("/", "_"))
    if handler is None:
        return answer(start_response, b"no such path", "404 Not Found")
    return handler(environ, start_response)


def answer(start_response, body, status="200 OK", *more):
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *more])
    return [body]


def query(environ, name, default=None):
    return parse_qs(environ["QUERY_STRING"]).get(name, [default])[0]


def serve_(environ, start_response):
    return answer(start_response, b"hello")


def serve_livez(environ, start_response):
    return answer(start_response, b"alive")


def serve_readyz(environ, start_response):
    return answer(start_response, b"ready")


def serve_environ(environ, start_response):
    body = environ["wsgi.input"].read()
    shown = {key: value for key, value in environ.items() if isinstance(value, (str, bool, tuple))}
    shown["body"] = body.decode("latin-1")
    return answer(start_response, json.dumps(shown).encode())


def serve_slow(environ, start_response):
    notes.append("began")
    try:
        gevent.sleep(float(query(environ, "s", "0.2")))
    except BaseException as error:
        notes.append(type(error).__name__)
        raise
    notes.append("ended")
    return answer(start_response, b"slept")


def serve_stubborn(environ, start_response):
    try:
        gevent.sleep(5)
    except gevent.GreenletExit:
        gevent.sleep(0.1)
    notes.append("went on")
    return answer(start_response, b"never seen")


def serve_notes(environ, start_response):
    taken = notes[:]
    notes.clear()
    return answer(start_response, json.dumps(taken).encode())


def serve_stats(environ, start_response):
    house = getattr(worker, "house", None)
    shown = {"pid": os.getpid(), "fds": len(os.listdir("/proc/self/fd"))}
    if house is not None:
        shown |= {"running": house.running, "connections": len(house.connections), **house.counts}
        shown["fill"] = house.pressure.fill
    return answer(start_response, json.dumps(shown).encode())


def serve_pid(environ, start_response):
    return answer(start_response, str(os.getpid()).encode())


def serve_context(environ, start_response):
    seen = user.get(), getattr(local, "user", "nobody"), getattr(gevent.getcurrent(), "user", "nobody")
    name = query(environ, "user")
    user.set(name)
    local.user = name
    gevent.getcurrent().user = name
    return answer(start_response, json.dumps(seen).encode())


def serve_timeout(environ, start_response):
    gevent.Timeout(0.05).start()  # and never closed
    return answer(start_response, b"armed")


def serve_stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"one,", b"", b"two,", b"three"])


def serve_written(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written,")
    return [b"returned"]


def serve_big(environ, start_response):
    return answer(start_response, b"x" * int(query(environ, "n", str(2 << 20))))


def serve_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    return [b"only this"]


def serve_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"more than four"]


def serve_empty(environ, start_response):
    start_response(query(environ, "status", "204 No Content"), [("X-Made", "yes")])
    return []


def serve_headers(environ, start_response):
    bad = {
        "crlf": [("X-Bad", "a\r\nSet-Cookie: evil=1")],
        "lf": [("X-Bad", "a\nb")],
        "nul": [("X-Bad", "a\0b")],
        "name": [("X Bad", "a")],
        "lengths": [("Content-Length", "3"), ("Content-Length", "5")],
        "length": [("Content-Length", "five")],
        "type": [("X-Bad", 5)],
    }
    start_response("200 OK", bad[query(environ, "kind")])
    return [b"hello"]


def serve_early(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
    return answer(start_response, b"after the hint")


def serve_boom(environ, start_response):
    raise ValueError("a bug")


def serve_late_boom(environ, start_response):
    start_response("200 OK", [])

    def body():
        yield b"begun"
        raise ValueError("a bug, later")

    return body()


def serve_exit(environ, start_response):
    sys.exit(3)


class Closing:
    def __iter__(self):
        return iter([b"body"])

    def close(self):
        notes.append("closed")


def serve_closing(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return Closing()


def serve_block(environ, start_response):
    hold_the_loop(float(query(environ, "s", "0.5")))
    return answer(start_response, b"blocked")


def hold_the_loop(seconds):
    until = time.monotonic() + seconds
    sleep = get_original("time", "sleep")
    while time.monotonic() < until:
        sleep(0.01)


def serve_log(environ, start_response):
    for _ in range(400):
        worker.log.warning("filler %s", "x" * 1000)
    return answer(start_response, b"logged")


def serve_circles(environ, start_response):
    return answer(start_response, str(gc.collect()).encode())
