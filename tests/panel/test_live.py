"""Live updates: what a viewer is told, how many there can be, and that nobody has to wait for them."""

import gc
import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from wsgiref.util import setup_testing_defaults

import gevent
import pytest

from fastdag.web.lifecycle import Lifecycle
from fastdag.web.panel import live
from fastdag.web.panel.live import Live
from tests.panel.common import panelled
from tests.server.serving import OURS, serving


class Viewer:
    """A request for live updates, as a server makes it: the frames are asked for one by one."""

    def __init__(self, app, query=""):
        environ = {"PATH_INFO": "/_fastdag/live", "QUERY_STRING": query}
        setup_testing_defaults(environ)
        self.body = app.app(environ, self.begin)
        self.frames = iter(self.body)

    def begin(self, status, headers, exc_info=None):
        self.status, self.headers = int(status[:3]), {name.lower(): value for name, value in headers}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if hasattr(self.body, "close"):
            self.body.close()

    def next(self):
        frame = next(self.frames)
        assert frame.startswith(b"data: ") and frame.endswith(b"\n\n") and frame.count(b"\n") == 2
        return json.loads(frame[6:])["route"]


def test_a_viewer_is_told_all_once_and_then_what_is_new():
    app = panelled(interval=0.01)
    app.get("/products/7")
    with Viewer(app) as viewer:
        assert (viewer.status, viewer.headers["content-type"]) == (200, "text/event-stream")
        assert viewer.headers["cache-control"] == "no-store"
        first = viewer.next()
        assert "graph" in first and [request["number"] for request in first["requests"]] == [1]
        second = viewer.next()
        assert "graph" not in second and second["requests"] == []
        assert second["report"] == first["report"]
        app.get("/products/7")
        third = viewer.next()
        assert [request["number"] for request in third["requests"]] == [2]
        assert third["report"]["runs"] == 2


def test_a_graph_that_changes_is_told_again():
    app = panelled(interval=0.01)
    with Viewer(app) as viewer:
        assert len(viewer.next()["graph"]["nodes"]) == 3
        graph = app.app.graph_routes["/products/{id}"]["GET"].graph
        graph.node(id="late", output=True)(lambda context: {"x": 1})
        assert len(viewer.next()["graph"]["nodes"]) == 4


def test_what_if_is_told_again_when_there_are_new_runs():
    app = panelled(interval=0.01)
    app.get("/products/7")
    with Viewer(app, "faster=product:50") as viewer:
        assert viewer.next()["what_if"]["runs"] == 1
        app.get("/products/7")
        assert viewer.next()["what_if"]["runs"] == 2


def test_one_viewer_too_many_is_refused_until_another_leaves():
    app = panelled(viewers=2)
    with Viewer(app), Viewer(app) as second:
        with Viewer(app) as third:
            assert (third.status, third.headers["retry-after"]) == (503, "5")
        second.body.close()
        with Viewer(app) as fourth:
            assert fourth.status == 200


def test_a_viewer_whose_server_forgets_to_close_it_takes_no_place_for_ever():
    app = panelled(viewers=1)
    viewer = Viewer(app)
    assert viewer.status == 200
    del viewer
    gc.collect()
    with Viewer(app) as second:
        assert second.status == 200


def test_viewers_are_no_requests_in_flight():
    app = panelled()
    with Viewer(app) as viewer:
        viewer.next()
        assert app.app.in_flight == 0


def test_a_worker_that_drains_tells_nobody_any_more():
    app = panelled(interval=0.01)
    with Viewer(app) as viewer:
        viewer.next()
        app.app.drain()
        with pytest.raises(StopIteration):
            next(viewer.frames)


def test_viewers_together_get_a_twentieth_of_the_time_at_most():
    viewers = Live(Lifecycle(None, None, drain=lambda: None), most=8, interval=1.0)
    assert viewers.pause(0.001) == 1.0
    views, responses = SimpleNamespace(), [SimpleNamespace(set_header=lambda *_: None) for _ in range(4)]
    for response in responses:
        viewers.send(views, response)
    assert viewers.pause(0.1) == pytest.approx(0.1 * 4 / 0.05)


def test_a_viewer_who_reads_slowly_is_not_told_less_for_it(monkeypatch):
    paused, clock = [], [0.0]
    monkeypatch.setattr(live, "now", lambda: clock[0])
    monkeypatch.setattr(live, "sleep", paused.append)
    with Viewer(panelled(interval=0.5)) as viewer:
        viewer.next()
        clock[0] += 60
        viewer.next()
    assert paused == [0.5]


def watch(server):
    """A viewer who has seen a frame; or nothing, if there are enough."""
    client = server.client()
    client.send("GET /_fastdag/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if b" 200 " in client.read_until(b"\r\n\r\n").splitlines()[0]:
        client.read_until(b"\n\n")
        return client
    client.sock.close()
    return None


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_a_browser_that_leaves_makes_room(services_of_the_shop, tmp_path, worker):
    with serving(tmp_path, program="tests.panel.program:app", worker=worker) as server:
        for _ in range(3):
            viewers = [server.until(lambda: watch(server)) for _ in range(4)]
            assert watch(server) is None
            for viewer in viewers:
                viewer.sock.close()


#: As in gunicorn.conf.py: gunicorn's own worker tells the app of its end so.
ALIVE = "def post_worker_init(worker):\n    worker.wsgi.start(alive=lambda: worker.alive)\n"


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_a_worker_does_not_wait_for_its_viewers_to_leave(services_of_the_shop, tmp_path, worker):
    settings = f"graceful_timeout = 30\nkeepalive = 75\n{ALIVE}"
    with serving(tmp_path, program="tests.panel.program:app", worker=worker, settings=settings) as server:
        viewers = [server.until(lambda: watch(server)) for _ in range(4)]
        began = time.monotonic()
        server.process.terminate()
        for viewer in viewers:
            viewer.read_until(b"0\r\n\r\n")  # the stream ends, the connection stays
            with viewer:
                viewer.send("GET /_fastdag/live HTTP/1.1\r\nHost: localhost\r\n\r\n")  # as browsers do
                assert b"data: {" not in viewer.rest()  # until it is closed
        assert server.process.wait(25) == 0
        assert time.monotonic() - began < 15  # and not the 30 s of grace
        assert "timeout" not in server.words()


def frames(client):
    """Reads the frames of a viewer for ever; `seen` counts them."""
    client.seen = 0
    while True:
        client.read_until(b"\n\n")
        client.seen += 1


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_viewers_and_one_who_does_not_read_hold_up_nobody(services_of_the_shop, tmp_path, worker):
    with serving(tmp_path, program="tests.panel.program:app", worker=worker) as server:
        viewers = [server.until(lambda: watch(server)) for _ in range(3)]
        reading = [gevent.spawn(frames, viewer) for viewer in viewers]
        with server.client(receive_buffer=4096) as idle, server.client() as asking:
            idle.send("GET /_fastdag/live?route=GET%20/products/%7Bid:int%7D HTTP/1.1\r\nHost: localhost\r\n\r\n")
            memory = resident(server)
            slowest = 0.0
            for number in range(300):
                began = time.monotonic()
                assert asking.get(f"/products/{number % 40 + 1}").status == 200
                slowest = max(slowest, time.monotonic() - began)
            told = min(viewer.seen for viewer in viewers)
            server.until(lambda: min(viewer.seen for viewer in viewers) > told)  # they go on being told
            assert slowest < 1.0
            assert resident(server) - memory < 32 << 20
        gevent.killall(reading)
        for viewer in viewers:
            viewer.sock.close()


def resident(server):
    """Bytes of memory of the one worker."""
    (worker,) = server.workers()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
