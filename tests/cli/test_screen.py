"""Standard output is for what a command says, and for nothing else; and what it says gets out on any terminal."""

import json
import subprocess
import sys

import pytest

NOISY = """
import sys
from fastdag.observe.log import Log

print("imported")
catalog = upstream("catalog")
page = Graph("page")
page.fetch("product", catalog, "/products/42", output="product")

@page.node(output="word")
def word(context):
    print("asked")
    return "said"

app = App(observe=[Log(upstreams=True)], on_start=lambda: print("started"), on_stop=lambda: print("stopped"))
app.add_graph("/", page)
"""

COMMANDS = [
    ("check",),
    ("routes",),
    ("draw",),
    ("call", "GET", "/"),
    ("explain", "GET", "/"),
    ("serve",),
]


def command(environ, *arguments, **more):
    """In a process of its own: the log writes to descriptors, through a thread."""
    line = [sys.executable, "-m", "fastdag", *arguments, "--app", "shop"]
    return subprocess.run(line, env=environ | more, capture_output=True, timeout=60)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
def test_what_an_app_prints_and_logs_is_not_in_the_data(write, environ, arguments):
    write(NOISY)
    result = command(environ, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout)
    assert b"imported\n" in result.stderr


def test_the_body_of_an_answer_is_alone_too(write, environ):
    write(NOISY)
    result = command(environ, "call", "GET", "/")
    assert json.loads(result.stdout) == {"product": {"id": 42, "seller": 7}, "word": "said"}
    beside = result.stderr.decode()
    assert all(word in beside.splitlines() for word in ("imported", "started", "asked", "stopped"))
    assert '"event":"request"' in beside


def test_help_is_what_was_asked_for(environ, write):
    write(NOISY)
    assert b"--header" in command(environ, "call", "--help").stdout


ODD = r"""
page = Graph("page")

@page.node(output="word")
def word(context):
    return TEXT

app.add_graph("/", page)


class Plain:
    def on_get(self, req, resp):
        resp.text = "caf\u00e9"

app.add_route("/plain", Plain())


class Lone:
    def on_get(self, req, resp):
        resp.content_type = "application/json"
        resp.data = b'{"word": "\\ud800"}'

app.add_route("/lone", Lone())
"""


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(("path", "word"), [("/", "caf\u00e9"), ("/lone", "\ud800")])
def test_json_is_json_in_every_encoding(write, environ, encoding, as_json, path, word):
    write(ODD.replace("TEXT", '"caf\\u00e9"'))
    result = command(environ, "call", "GET", path, *as_json, PYTHONIOENCODING=encoding)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.decode(encoding))
    assert (found["body"] if as_json else found) == {"word": word}


def test_a_text_is_escaped_where_it_cannot_be_encoded(write, environ):
    write(ODD.replace("TEXT", "1"))
    assert command(environ, "call", "GET", "/plain", PYTHONIOENCODING="ascii").stdout == b"caf\\xe9\n"
    assert command(environ, "call", "GET", "/plain", PYTHONIOENCODING="utf-8").stdout == b"caf\xc3\xa9\n"


def test_tables_and_drawings_are_escaped_too(write, environ):
    write(ODD.replace("TEXT", "1"))
    for arguments in (["check"], ["routes"], ["draw"], ["explain", "GET", "/"]):
        result = command(environ, *arguments, PYTHONIOENCODING="ascii")
        assert result.returncode == 0, result.stderr
