"""The tutorial, done in a fresh project: its files are written, its commands say what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastdag.cli.project import create
from tests.docs_services import nobody

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/tutorial.md").read_text()

FILES = dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))

TESTS = ("-m", "gevent.monkey", "--module", "pytest", "-p", "no:cacheprovider")

#: Prints what the service answers, with a warehouse ("up") or with whatever STOCK_URL says.
ASKED = """
from gevent import monkey

monkey.patch_all()

import os
import sys

import falcon.testing

import standins
import stock

servers = {"CATALOG_URL": standins.catalog, "REVIEWS_URL": standins.reviews}
if sys.argv[1] == "up":
    servers["STOCK_URL"] = stock.stock
for name, app in servers.items():
    os.environ[name] = f"http://127.0.0.1:{standins.serve(app, 0).server_port}"

from app.main import app

answer = falcon.testing.TestClient(app).simulate_get("/products/42")
for name in ("fastdag-complete", "fastdag-missing", "cache-control"):
    if name in answer.headers:
        print(f"{name}: {answer.headers[name]}")
print(answer.text)
app.stop()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    place = tmp_path_factory.mktemp("tutorial") / "my-shop"
    create(place)
    return place


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    place = tmp_path_factory.mktemp("tutorial") / "my-shop"
    create(place)
    for name, text in FILES.items():
        (place / name).write_text(text)
    return place


def run(place, *command, **more):
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    ran = subprocess.run(
        [sys.executable, *command], cwd=place, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [line.rstrip() for line in ran.stdout.splitlines()]


def shown(command):
    """What the page shows after a command, each time that it is given."""
    return [
        [line for line in found.splitlines() if line not in ("", "...") and not line.startswith("HTTP/")]
        for found in re.findall(rf"^```console\n\$ {re.escape(command)}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    ]


def test_the_project_is_drawn_as_shown(project, changed):
    assert [run(place, "-m", "fastdag", "draw") for place in (project, changed)] == shown("fastdag draw")


def test_the_answers_are_those_shown(changed):
    before, without, whole = shown("curl -i http://127.0.0.1:8000/products/42")
    with nobody() as address:
        assert run(changed, "-c", ASKED, "down", STOCK_URL=address) == without
    assert run(changed, "-c", ASKED, "up") == whole
    assert [line for line in before if not line.startswith("content-type")] == [
        line.replace(',"delivery":"in 2 days"', "") for line in whole
    ]


def test_its_tests_pass_and_nothing_is_found_in_it(changed):
    said, checked = "8 passed", "1 route, 0 problems, 0 findings"
    assert f"$ make test\n{said}\n$ fastdag check --strict\n{checked}\n" in PAGE
    assert run(changed, *TESTS)[-1].startswith(said)
    assert run(changed, "-m", "fastdag", "check", "--strict")[-1] == checked


def test_without_a_warehouse_two_tests_that_came_with_it_fail_as_said(tmp_path):
    create(tmp_path / "my-shop")
    for name, text in FILES.items():
        if name != "tests/conftest.py":
            (tmp_path / "my-shop" / name).write_text(text)
    with nobody() as address, pytest.raises(AssertionError, match="2 failed, 6 passed"):
        run(tmp_path / "my-shop", *TESTS, STOCK_URL=address)
