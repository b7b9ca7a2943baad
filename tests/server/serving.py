"""A real gunicorn in its own process group, on a port of its own, and a raw client that says what it saw."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from gevent.subprocess import Popen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OURS = "fastdag.server.GeventWorker"
PROGRAM = "tests.server.program:app"


class Answer:
    def __init__(self, status, headers, body, rest):
        self.status = status
        self.headers = headers
        self.body = body
        self.rest = rest

    def __getitem__(self, name):
        return self.headers.get(name.lower())

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection; every wait is bounded."""

    def __init__(self, address, *, timeout=8.0, receive_buffer=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *parts):
        for part in parts:
            self.sock.sendall(part if isinstance(part, bytes) else part.encode("latin-1"))
        return self

    def get(self, target, *headers, method="GET"):
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *headers, "", ""]
        self.send("\r\n".join(lines))
        return self.answer(bodyless=method == "HEAD")

    def post(self, target, body, *headers):
        lines = [f"POST {target} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers, "", ""]
        self.send("\r\n".join(lines).encode() + body)
        return self.answer()

    def read_until(self, end):
        while end not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"the server closed after {self.buffer!r}")
            self.buffer += data
        found, _, self.buffer = self.buffer.partition(end)
        return found

    def read(self, size):
        while len(self.buffer) < size:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"the server closed {size - len(self.buffer)} bytes early")
            self.buffer += data
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def answer(self, *, bodyless=False):
        head = self.read_until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.split("\r\n")
        status = int(first.split(" ")[1])
        headers = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} twice in {head!r}"
            headers[name.lower()] = value
        if bodyless or status in (204, 304) or status < 200:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self.read_until(b"\r\n"), 16):
                body += self.read(size)
                assert self.read(2) == b"\r\n"
            assert self.read(2) == b"\r\n"
        elif "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        else:
            body = self.rest()
        return Answer(status, headers, body, self.buffer)

    def rest(self):
        """Everything until the server closes; a reset counts as the end."""
        try:
            while data := self.sock.recv(65536):
                self.buffer += data
        except ConnectionError:
            pass
        found, self.buffer = self.buffer, b""
        return found

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


class Server:
    def __init__(self, process, address, log):
        self.process = process
        self.address = address
        self.log = log

    def client(self, **options):
        assert self.address, f"it did not start:\n{self.words()}"
        return Client(self.address, **options)

    def get(self, target, *headers, **options):
        with self.client(**options) as client:
            return client.get(target, *headers, "Connection: close")

    def notes(self):
        return self.get("/notes").json()

    def stats(self):
        return self.get("/stats").json()

    def words(self):
        return self.log.read_text(errors="replace")

    def until(self, condition, *, seconds=10.0):
        """Ask again until something is so: how long it may take is the bound, not the wait."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"never so within {seconds} s:\n{self.words()[-3000:]}"
            time.sleep(0.01)
        return found

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def end(self):
        """A quick stop, and SIGKILL for the whole group if that is not enough; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(6)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self.process.wait(5)


@contextmanager
def serving(
    tmp_path, *, worker=OURS, settings="", options="", bind="127.0.0.1:0", limit="", stderr=None, program=PROGRAM
):
    """gunicorn with the test program. `options` are the worker's own, as text; `settings` are lines for gunicorn's."""
    conf = tmp_path / "gunicorn.conf.py"
    access = tmp_path / "access.log"
    chosen = (
        f"from fastdag.server import GeventWorker\nworker_class = GeventWorker.using({options})\n" if options else ""
    )
    conf.write_text(
        "from gevent import monkey; monkey.patch_all()\n"
        f"worker_class = {worker!r}\n{chosen}bind = {bind!r}\ncontrol_socket_disable = True\n"
        f"accesslog = {str(access)!r}\naccess_log_format = '%(m)s %(U)s %(s)s %(b)s'\n"
        "from tests.server.program import post_worker_init\n"
        "def when_ready(arbiter):\n"
        "    name = arbiter.LISTENERS[0].getsockname()\n"
        f"    with open({str(tmp_path / 'listening.part')!r}, 'w') as file:\n"
        "        file.write(name if isinstance(name, str) else str(name[1]))\n"
        f"    __import__('os').rename(file.name, {str(tmp_path / 'listening')!r})\n"
        f"{settings}\n"
    )
    log = tmp_path / "error.log"
    command = [sys.executable, "-m", "gunicorn", "-c", str(conf), program]
    if limit:
        command = ["/bin/sh", "-c", f'{limit}; exec "$@"', "sh", *command]
    listening = tmp_path / "listening"
    with log.open("wb") as stream:
        process = Popen(command, cwd=ROOT, stdout=stream, stderr=stderr or stream, start_new_session=True)
    server = Server(process, None, log)
    try:
        server.until(lambda: listening.exists() or process.poll() is not None, seconds=30)
        if listening.exists():
            name = listening.read_text()
            server.address = ("127.0.0.1", int(name)) if name.isdigit() else name
        yield server
    finally:
        server.end()


def access_lines(server):
    path = server.log.parent / "access.log"
    return path.read_text().splitlines() if path.exists() else []
