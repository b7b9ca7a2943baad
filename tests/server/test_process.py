"""Signals, restarts and ends (FAULTS.md P01 to P12): nothing is lost, and what cannot end is told so."""

import os
import signal
import socket
import time
from pathlib import Path

import gevent
import pytest

from tests.machine import PAUSE
from tests.server.serving import OURS, serving


class Users:
    """Clients that keep their connections, open new ones when told to close, and count what went wrong."""

    def __init__(self, server, number):
        self.server = server
        self.answered = 0
        self.failed = []
        self.pids = set()
        self.stopping = False
        self.greenlets = [gevent.spawn(self.use) for _ in range(number)]

    def use(self):
        client = None
        while not self.stopping:
            try:
                if client is None:
                    client = self.server.client()
                answer = client.get("/pid")
            except (OSError, EOFError) as error:
                self.failed.append(repr(error))
                client = None
                continue
            self.pids.add(int(answer.body))
            self.answered += 1
            if answer["connection"] == "close":
                client.sock.close()
                client = None
            gevent.sleep(0.002)
        if client is not None:
            client.sock.close()

    def stop(self):
        self.stopping = True
        gevent.joinall(self.greenlets, raise_error=True)


def test_sigterm_lets_work_end_turns_readiness_off_and_serves_those_who_have_not_heard(tmp_path):
    with serving(tmp_path, options="linger=2") as server:
        idle = server.client()
        idle.get("/")
        busy = server.client().send("GET /slow?s=1.5 HTTP/1.1\r\nHost: a\r\n\r\n")
        server.until(lambda: server.stats()["running"] == 2)
        began = time.monotonic()
        server.process.terminate()
        server.until(lambda: server.get("/readyz").status == 503, seconds=0.5 + PAUSE)
        assert server.get("/").status == 200
        late = idle.get("/")
        assert (late.body, late["connection"]) == (b"hello", "close")
        answer = busy.answer()
        assert (answer.body, answer["connection"]) == (b"slept", "close")
        for client in (idle, busy):
            assert client.rest() == b""
            client.sock.close()
        assert server.process.wait(8) == 0
        assert time.monotonic() - began < 5 + PAUSE  # what a run may take, and three seconds


def test_what_cannot_end_in_time_is_answered_503_before_the_kill(tmp_path):
    with serving(tmp_path, settings="graceful_timeout = 2", options="linger=0.2") as server:
        client = server.client().send("GET /slow?s=30 HTTP/1.1\r\nHost: a\r\n\r\n")
        stubborn = server.client().send("GET /stubborn HTTP/1.1\r\nHost: a\r\n\r\n")
        server.until(lambda: server.stats()["running"] == 3)
        server.process.terminate()
        for each in (client, stubborn):
            answer = each.answer()
            assert (answer.status, answer["content-type"], answer["connection"], answer["retry-after"]) == (
                503,
                "application/problem+json",
                "close",
                "1",
            )
            assert each.rest() == b""
            each.sock.close()
        assert server.process.wait(5) == 0
        access = (tmp_path / "access.log").read_text()
    assert "GET /slow 503" in access


@pytest.mark.parametrize(
    ("settings", "disturb"),
    [
        ("workers = 2", lambda server: server.process.send_signal(signal.SIGHUP)),
        ("workers = 2\nmax_requests = 150\nmax_requests_jitter = 20", lambda server: None),
        ("workers = 1\nmax_requests = 200", lambda server: None),
    ],
    ids=["SIGHUP", "max_requests", "max_requests alone"],
)
def test_a_change_of_workers_under_load_loses_nothing(tmp_path, settings, disturb):
    with serving(tmp_path, settings=settings, options="linger=0.3") as server:
        server.get("/")
        users = Users(server, 8)
        server.until(lambda: users.answered > 50)
        before = set(users.pids)
        disturb(server)
        server.until(lambda: len(users.pids - before) >= 1 and users.answered > 400, seconds=15)
        users.stop()
        assert users.failed == []


def test_a_killed_worker_is_replaced_and_takes_only_its_own_requests(tmp_path):
    with serving(tmp_path, settings="workers = 2") as server:
        server.until(lambda: len(server.workers()) == 2)
        server.get("/")
        os.kill(server.workers()[0], signal.SIGKILL)
        server.until(lambda: len(server.workers()) == 2, seconds=2 + PAUSE)
        assert [server.get("/").status for _ in range(20)] == [200] * 20


@pytest.mark.parametrize("worker", [OURS, "gevent"])
def test_workers_end_when_their_master_is_killed(tmp_path, worker):
    with serving(tmp_path, worker=worker, bind=f"unix:{tmp_path}/sock") as server:
        server.get("/")
        pid = server.workers()[0]
        server.process.kill()
        server.process.wait(5)
        server.until(lambda: not runs(pid), seconds=2 + PAUSE)
        server.until(lambda: refuses(server.address), seconds=1 + PAUSE)


def refuses(path):
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except ConnectionRefusedError:
            return True
    return False


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_loop_that_is_held_is_reported_with_its_stack_and_counted(ours):
    before = ours.stats()["blocked"]
    assert ours.get("/block?s=0.6").body == b"blocked"
    assert ours.stats()["blocked"] == before + 1
    words = ours.until(lambda: "The loop was held" in (found := ours.words()) and found)
    assert "by hold_the_loop (" in words
    assert "in serve_block" in words  # the stack


def test_a_worker_that_hangs_is_replaced_and_its_stack_is_in_the_log(tmp_path):
    with serving(tmp_path, settings="workers = 2\ntimeout = 2\ngraceful_timeout = 1") as server:
        server.until(lambda: len(server.workers()) == 2)
        server.get("/")
        before = server.workers()
        hanging = server.client().send("GET /block?s=20 HTTP/1.1\r\nHost: a\r\n\r\n")
        server.until(lambda: "The loop is held for" in server.words())
        assert [server.get("/").status for _ in range(5)] == [200] * 5
        server.until(lambda: "WORKER TIMEOUT" in server.words(), seconds=6)
        server.until(lambda: len(set(server.workers()) - set(before)) == 1 and len(server.workers()) == 2, seconds=6)
        hanging.sock.close()
    assert "hold_the_loop" in server.words()


def test_a_log_that_nobody_reads_holds_up_nothing(tmp_path):
    """The pipe takes 64 KiB, and the program logs several hundred."""
    reading, writing = os.pipe()
    try:
        with serving(tmp_path, settings="errorlog = '-'", stderr=writing) as server:
            for _ in range(3):
                began = time.monotonic()
                assert server.get("/log").body == b"logged"
                assert server.get("/").body == b"hello"
                assert time.monotonic() - began < PAUSE  # whom the pipe held up would wait for ever
            os.kill(server.process.pid, signal.SIGKILL)
    finally:
        os.close(reading)
        os.close(writing)


def test_reopened_logs_are_written_on_and_nothing_is_left_of_the_old_ones(tmp_path):
    access, error = tmp_path / "access.log", tmp_path / "gunicorn.log"
    with serving(tmp_path, settings=f"errorlog = {str(error)!r}") as server:
        server.get("/")
        server.until(lambda: "GET / 200" in access.read_text())
        before = server.stats()["fds"]
        for number in range(3):
            access.rename(tmp_path / f"access.{number}")
            server.process.send_signal(signal.SIGUSR1)
            server.until(access.exists)
            server.until(lambda: server.get("/") and "GET / 200" in access.read_text())
        server.until(lambda: server.stats()["fds"] == before)


def test_a_full_disk_holds_up_nothing(tmp_path):
    with serving(tmp_path, settings="accesslog = '/dev/full'") as server, server.client() as client:
        assert [client.get("/").body for _ in range(20)] == [b"hello"] * 20
        assert "No space left" not in server.words()


def test_preloading_a_patched_program_shares_nothing_that_hurts(tmp_path):
    with serving(tmp_path, settings="preload_app = True\nworkers = 2") as server:
        pids = set()
        server.until(lambda: pids.add(server.get("/pid").body) or len(pids) == 2)
    assert "Warning" not in server.words()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("permit_obsolete_folding = True", "permit_obsolete_folding is not supported"),
        ("http_parser = 'python'", "parsed by gunicorn_h1c"),
        ("limit_request_fields = 1000", "limit_request_fields takes 0 to 256"),
    ],
)
def test_what_the_worker_cannot_do_is_refused_at_the_start(tmp_path, settings, says):
    with serving(tmp_path, settings=settings) as server:
        server.until(lambda: server.process.poll() is not None)
        assert server.process.wait(5) == 1
        assert says in server.words()


def test_a_reload_to_settings_that_are_refused_keeps_those_from_before(tmp_path):
    with serving(tmp_path) as server:
        conf = tmp_path / "gunicorn.conf.py"
        before = conf.read_text()

        def reload(more):
            (old,) = server.until(server.workers)
            conf.write_text(before + more)
            server.process.send_signal(signal.SIGHUP)
            server.until(lambda: server.workers() not in ([], [old]) and old not in server.workers())
            with server.client() as client:
                return client.get("/")["connection"]

        assert reload("http_parser = 'python'\nkeepalive = 0\n") == "keep-alive"
        assert (
            "with the settings from before, because of the new ones:\nhttp_parser = 'python' is not" in server.words()
        )
        assert reload("keepalive = 0\n") == "close"
        assert server.process.poll() is None


def test_what_it_does_not_speak_is_served_by_gunicorns_own_code(tmp_path):
    with (
        serving(tmp_path, settings="proxy_protocol = True\nproxy_allow_ips = '*'") as server,
        server.client() as client,
    ):
        client.send("PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n")
        assert client.get("/environ").json()["REMOTE_ADDR"] == "1.2.3.4"
        assert "the PROXY protocol is on" in server.words()
