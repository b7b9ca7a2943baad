"""The shop under test: its services in a process of their own, and the app in front of them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import requests
import webtest

from app.services import NAMES
from fastdag import App

ROOT = Path(__file__).parents[2]

WORKERS = ("fastdag.server.GeventWorker", "gevent")
"""fastdag's own, and gunicorn's."""

PATIENCE = {"SHOP_PAGE_TIMEOUT": "5", "SHOP_EXTRAS_TIMEOUT": "1"}
"""So that a machine that is busy with something else does not turn a whole answer into a partial one."""


@pytest.fixture(scope="session")
def services() -> Iterator[dict[str, str]]:
    """The services' addresses by name; the environment points the shop at them."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.services", "--first-port", "0"], stdout=subprocess.PIPE, text=True
    )
    urls = dict(process.stdout.readline().split() for _ in NAMES)
    os.environ.update({f"SHOP_{name.upper()}_URL": url for name, url in urls.items()} | PATIENCE)
    yield urls
    process.terminate()
    process.communicate(timeout=10)
    assert process.returncode == 0


class Faults:
    """Turns the switches of the services, and back at the end of the test."""

    def __init__(self, services: dict[str, str]) -> None:
        self._services = services
        self._turned: set[str] = set()

    def __call__(self, name: str, **fault: object) -> None:
        self._turned.add(name)
        self._put(name, fault)

    def _put(self, name: str, fault: dict[str, object]) -> None:
        requests.put(f"{self._services[name]}/_fault", json=fault, timeout=5).raise_for_status()

    def heal(self) -> None:
        for name in self._turned:
            self._put(name, {})


@pytest.fixture
def fault(services: dict[str, str]) -> Iterator[Faults]:
    faults = Faults(services)
    yield faults
    faults.heal()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def behind_gunicorn(
    worker: str, *arguments: str, stdout: Any = None, **environ: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The shop as a deployment starts it, and its address; `services` has set where its upstreams are."""
    port = free_port()
    ours = {"BIND": f"127.0.0.1:{port}", "WORKER_CLASS": worker, "WEB_CONCURRENCY": "1", "ACCESS_LOG": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *arguments, "app.main:app"],
        cwd=ROOT,
        env=os.environ | ours | environ,
        stdout=stdout,
    ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(process, address)
            yield process, address
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    patience = time.monotonic() + 30
    while True:
        assert process.poll() is None
        assert time.monotonic() < patience
        try:
            if requests.get(f"{address}/readyz", timeout=10).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.05)


@pytest.fixture(scope="session")
def started(services: dict[str, str]) -> Iterator[App]:
    """The shop in this process; imported only now, because it reads the environment when it is imported."""
    app = import_module("app.main").app
    app.start()
    yield app
    app.stop()


@pytest.fixture
def shop(started: App) -> webtest.TestApp:
    """The shop, with breakers that have forgotten what the tests before have done to its services."""
    for upstream in import_module("app.upstreams").ALL:
        upstream.stack.circuits.reset()
    return webtest.TestApp(started)
