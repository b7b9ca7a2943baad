"""`fastdag serve`: which command serves, and that it does."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

APP = """
page = Graph("page")

@page.node
def word(context):
    return {"word": "first"}

app.add_graph("/", page)
"""

CONF = """
from gevent import monkey
monkey.patch_all()
worker_class = "fastdag.server.GeventWorker"
control_socket_disable = True
"""


@pytest.fixture(autouse=True)
def shop(write):
    return write(APP)


def test_without_settings_of_its_own_a_project_is_served_by_ours(data):
    command = data("serve")["command"]
    assert command[0] == sys.executable
    assert command[-3:] == ["--config", "python:fastdag.cli.settings", "shop:app"]


def test_a_project_has_its_own_settings(place, data):
    (place / "gunicorn.conf.py").write_text(CONF)
    assert data("serve")["command"][-3:] == ["--config", "gunicorn.conf.py", "shop:app"]


def test_what_is_said_goes_to_gunicorn(fastdag):
    said = fastdag("serve", "--bind", "0.0.0.0:80", "-w", "3", "--reload", "--dry-run").stdout
    assert shlex.split(said)[-6:-1] == ["--bind", "0.0.0.0:80", "--workers", "3", "--reload"]


def test_no_workers_are_no_way_to_serve(fastdag):
    assert fastdag("serve", "--workers", "0").exit_code == 2


def test_an_app_that_cannot_be_imported_is_not_served(shop, fastdag):
    shop.write_text("raise KeyError('TOKEN')\n")
    result = fastdag("serve")
    assert result.exit_code == 2
    assert "KeyError: 'TOKEN'" in result.stderr


@contextmanager
def serving(environ, *options, end=signal.SIGTERM):
    """`fastdag serve` on a port that the system chose; yields its address. It ends well, and says nothing odd."""
    command = [sys.executable, "-m", "fastdag", "serve", "--app", "shop", "--bind", "127.0.0.1:0", *options]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env=environ, start_new_session=True, **pipes) as server:
        try:
            said = []
            while not said or "Listening at" not in said[-1]:
                said.append(server.stderr.readline())
                assert said[-1], f"it ended: {said}"
            yield re.search(r"http://\S+", said[-1])[0]
        finally:
            os.killpg(server.pid, end)
            rest = server.communicate(timeout=20)[1]
    assert server.returncode == 0, rest
    assert "Traceback" not in rest


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("conf", [None, CONF])
def test_it_serves_with_our_worker(place, environ, conf):
    if conf:
        (place / "gunicorn.conf.py").write_text(conf)
    with serving(environ, "--workers", "1") as address:
        assert '"word":"first"' in get(address)


def test_ctrl_c_ends_it_without_a_traceback(environ):
    """A terminal sends the signal to the master and to the workers, and the master sends it on."""
    with serving(environ, "--workers", "2", end=signal.SIGINT) as address:
        get(address)


def test_with_reload_it_serves_what_the_file_says_now(shop, environ):
    with serving(environ, "--workers", "1", "--reload") as address:
        assert '"word":"first"' in get(address)
        shop.write_text(shop.read_text().replace("first", "second"))
        patience = time.monotonic() + 20
        while '"word":"second"' not in answered(address):
            assert time.monotonic() < patience


def answered(address):
    """The answer, or nothing: while a worker gives way to the next, connections may end."""
    try:
        return get(address)
    except (urllib.error.URLError, ConnectionError):
        return ""
