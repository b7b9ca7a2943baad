"""New projects that really run: on ports that nobody else uses, below `make serve`."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: The service's, those of its two stand-ins, and that of the tutorial's warehouse.
PORTS = ("8000", "9101", "9102", "9103")


class Project:
    """A project whose files name other ports than those it came with."""

    def __init__(self, place: Path, environ: dict[str, str], *, python: str | Path = sys.executable) -> None:
        self.place = place
        self.environ = environ
        self.python = str(python)
        with ExitStack() as held:
            probes = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
            free = [str(probe.getsockname()[1]) for probe in probes]
        self._ports = dict(zip(PORTS, free, strict=True))
        self.url = f"http://127.0.0.1:{self._ports['8000']}"
        for file in [*place.rglob("*.py"), place / "Makefile"]:
            self.write(str(file.relative_to(place)), file.read_text())

    def write(self, name: str, text: str) -> None:
        moved = re.sub(rf"\b({'|'.join(PORTS)})\b", lambda port: self._ports[port[0]], text)
        (self.place / name).write_text(moved)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`python ...`, to its end."""
        python = [self.python, *command]
        return subprocess.run(python, cwd=self.place, env=self.environ, capture_output=True, text=True, timeout=60)

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """A command in a process group of its own, as in a terminal; Ctrl-C ends it if the test has not."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, cwd=self.place, env=self.environ, start_new_session=True, **pipes) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)
                # All that was started has inherited the pipe: this is the end of all of it.
                process.communicate(timeout=20)

    @contextmanager
    def served(self) -> Iterator[subprocess.Popen[str]]:
        """`make serve`, from when it answers."""
        with self.running("make", "serve", f"PYTHON={self.python}") as process:
            self.answered(lambda headers, body: headers.get("fastdag-complete") == "true")
            yield process

    def answered(self, good: Callable[[dict[str, str], str], bool]) -> tuple[dict[str, str], str]:
        """Headers and body of the first answer for product 42 that is as it should be; asks for 20 s."""
        patience = time.monotonic() + 20
        last = None
        while time.monotonic() < patience:
            try:
                with urllib.request.urlopen(f"{self.url}/products/42", timeout=5) as answer:
                    headers = {name.lower(): value for name, value in answer.headers.items()}
                    last = headers, answer.read().decode()
                if good(*last):
                    return last
            except (urllib.error.URLError, ConnectionError):
                pass  # not yet, or just giving way to the next
            time.sleep(0.05)
        pytest.fail(f"no such answer in 20 s; the last was {last}")
