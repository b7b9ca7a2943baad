"""A real gunicorn with the program of this folder, and the upstream that it asks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer
from gevent.subprocess import Popen

from tests.server.serving import OURS, ROOT, Server


@dataclass
class Asked:
    """One request as the upstream got it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Back:
    """An upstream that writes down what it is asked and answers from a script, by path."""

    asked: list[Asked] = field(default_factory=list)
    script: dict[str, bytes | float] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)

    def answer(self, path: str) -> bytes:
        scripted = self.script.get(path)
        if isinstance(scripted, bytes):
            return scripted
        if scripted is not None:
            gevent.sleep(scripted)
        body = json.dumps({"id": 7, "path": path}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def handle(self, sock: Any, address: Any) -> None:
        with sock, sock.makefile("rb") as file:
            while line := file.readline().decode("latin-1").strip():
                headers = []
                while header := file.readline().decode("latin-1").strip():
                    name, _, value = header.partition(": ")
                    headers.append((name, value))
                asked = Asked(line, headers, b"")
                asked.body = file.read(int((asked.header("content-length") or ["0"])[0]))
                self.asked.append(asked)
                path = line.split(" ")[1].partition("?")[0]
                try:
                    sock.sendall(self.answer(path))
                except OSError:  # who asked has left
                    return
                finally:
                    self.answered.append(path)

    def reset(self) -> None:
        self.answered.clear()
        self.asked.clear()
        self.script.clear()


@pytest.fixture(scope="module")
def _back() -> Iterator[tuple[Back, str]]:
    back = Back()
    server = StreamServer(("127.0.0.1", 0), back.handle)
    server.start()
    yield back, f"http://127.0.0.1:{server.server_port}"
    server.stop(timeout=5)


@pytest.fixture
def back(_back: tuple[Back, str]) -> Back:
    _back[0].reset()
    return _back[0]


@contextmanager
def gunicorn(folder: Path, address: str, worker: str, **environ: str) -> Iterator[Server]:
    conf, listening = folder / "gunicorn.conf.py", folder / "listening"
    conf.write_text(
        "from gevent import monkey; monkey.patch_all()\n"
        f"worker_class = {worker!r}\nbind = '127.0.0.1:0'\ncontrol_socket_disable = True\ngraceful_timeout = 2\n"
        "def when_ready(arbiter):\n"
        f"    with open({str(listening) + '.part'!r}, 'w') as file:\n"
        "        file.write(str(arbiter.LISTENERS[0].getsockname()[1]))\n"
        f"    __import__('os').rename(file.name, {str(listening)!r})\n"
    )
    log = folder / "log"
    command = [sys.executable, "-m", "gunicorn", "-c", str(conf), "tests.web.program:app"]
    with log.open("wb") as out:
        environment = {**os.environ, "BACK": address, **environ}
        process = Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
    server = Server(process, None, log)
    try:
        server.until(lambda: listening.exists() or process.poll() is not None, seconds=30)
        if listening.exists():
            server.address = ("127.0.0.1", int(listening.read_text()))
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module", params=[OURS, "gevent"], ids=["ours", "stock"])
def served(request: Any, _back: tuple[Back, str], tmp_path_factory: Any) -> Iterator[Server]:
    """Behind both workers, with nobody trusted."""
    with gunicorn(tmp_path_factory.mktemp("served"), _back[1], request.param) as server:
        yield server


@pytest.fixture(scope="module")
def trusting(_back: tuple[Back, str], tmp_path_factory: Any) -> Iterator[Server]:
    """Behind our worker, with the loopback trusted."""
    with gunicorn(tmp_path_factory.mktemp("trusting"), _back[1], OURS, TRUSTED="1") as server:
        yield server
