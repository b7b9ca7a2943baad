"""The tutorial, done in a fresh project: its files are written, its commands say what the page shows."""

import os
import re

import pytest

from fastdag.cli.project import create
from tests.docs_services import nobody
from tests.projects import ROOT, Project

PAGE = (ROOT / "docs/tutorial.md").read_text()

FILES = dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))

TESTS = ("-m", "gevent.monkey", "--module", "pytest", "-p", "no:cacheprovider")


def begun(place):
    create(place)
    return Project(place, {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_PLUGINS": "pytest_fastdag"})


def change(project, files=FILES):
    for name in files:
        project.write(name, FILES[name])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return begun(tmp_path_factory.mktemp("tutorial") / "my-shop")


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    project = begun(tmp_path_factory.mktemp("tutorial") / "my-shop")
    change(project)
    return project


def said(project, *command):
    ran = project.run(*command)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [line.rstrip() for line in ran.stdout.splitlines()]


def shown(command):
    """What the page shows after a command, each time that it is given."""
    return [
        [line for line in found.splitlines() if line not in ("", "...") and not line.startswith("HTTP/")]
        for found in re.findall(rf"^\$ {re.escape(command)}\n(.*?)^(?:```$|(?=\$))", PAGE, re.MULTILINE | re.DOTALL)
    ]


def test_the_project_is_drawn_as_shown(project, changed):
    assert [said(each, "-m", "fastdag", "draw") for each in (project, changed)] == shown("fastdag draw")


def test_the_answers_are_those_shown_while_it_is_changed(tmp_path):
    """The page's own steps: served all the time, changed, asked without the warehouse, and with it."""
    project = begun(tmp_path / "my-shop")

    def answered(expected):
        *lines, text = expected
        said = dict(line.split(": ") for line in lines)
        project.answered(lambda headers, body: body == text and said.items() <= headers.items())

    before, without, whole = shown("curl -i http://127.0.0.1:8000/products/42")
    with project.served():
        answered(before)
        change(project)
        answered(without)
        with project.running(project.python, "stock.py"):
            answered(whole)


def test_its_tests_pass_and_nothing_is_found_in_it(changed):
    assert said(changed, *TESTS)[-1].startswith(shown("make test")[-1][0])
    assert said(changed, "-m", "fastdag", "check", "--strict")[-1:] == shown("fastdag check --strict")[0]


def test_without_a_warehouse_two_tests_that_came_with_it_fail_as_said(tmp_path):
    project = begun(tmp_path / "my-shop")
    change(project, ["stock.py", "app/upstreams.py", "app/graphs/product_page.py"])
    (said,) = shown("make test")[-2]
    with nobody() as address:
        project.environ["STOCK_URL"] = address
        assert project.run(*TESTS).stdout.splitlines()[-1].startswith(said)
