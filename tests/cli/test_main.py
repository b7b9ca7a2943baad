"""The command as a process: patched before it imports, and the app found where one stands."""

import subprocess
import sys

import pytest

APP = """
import socket, sys
import gevent.socket
from fastdag import App, Graph

assert socket.socket is gevent.socket.socket
page = Graph("{name}")
page.node(id="a")(lambda context: {{"argv": sys.argv[1:]}})
app = App()
app.add_graph("/", page)
"""


def run(*arguments, cwd, env):
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastdag", *arguments],
        cwd=cwd,
        env=env | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def write(place, name):
    file = place / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(APP.format(name=name.replace("/", ".").removesuffix(".py")))


def test_everything_is_patched_before_it_is_imported(place, environ):
    write(place, "main.py")
    ran = run("call", "GET", "/", cwd=place, env=environ)
    assert ran.returncode == 0, ran.stderr
    assert "MonkeyPatchWarning" not in ran.stderr
    assert '"call"' in ran.stdout


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["main.py"], "main"),
        (["main.py", "app.py"], "app"),
        (["main.py", "app/main.py"], "app.main"),
    ],
)
def test_an_app_is_looked_for_in_the_usual_places(place, environ, files, found):
    for file in files:
        write(place, file)
        if "/" in file:  # else a package of that name elsewhere on the path would come first
            (place / file).with_name("__init__.py").touch()
    wide = {**environ, "COLUMNS": "200"}
    assert f" {found} " in run("routes", cwd=place, env=wide).stdout


def test_where_there_is_no_app_it_says_where_it_has_looked(place, environ):
    ran = run("routes", cwd=place, env=environ)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("there is no app here: neither app.main:app nor app:app nor main:app\n")
    assert "FASTDAG_APP" in ran.stderr


def test_without_a_command_it_lists_them(place, environ):
    said = run(cwd=place, env=environ).stdout
    for command in ("check", "routes", "draw", "call", "explain", "serve", "new"):
        assert f" {command} " in said
