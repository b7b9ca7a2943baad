"""`fastdag new`: a project that runs, passes its tests, and has nothing to be found by `check`."""

import os
import re
import signal
import tomllib

import pytest

from tests.projects import Project


@pytest.fixture
def project(place, fastdag, environ):
    assert fastdag("new", "my-shop", app=None).exit_code == 0
    return Project(place / "my-shop", environ)


def test_its_tests_pass(project):
    assert "-m gevent.monkey --module pytest" in (project.place / "Makefile").read_text()
    ran = project.run("-m", "gevent.monkey", "--module", "pytest")
    assert ran.returncode == 0, ran.stdout
    assert "6 passed" in ran.stdout


def test_nothing_is_found_in_it(project):
    checked = project.run("-m", "fastdag", "check", "--strict", "--quiet")
    assert checked.stdout == "1 route, 0 problems, 0 findings\n", checked.stderr


def test_its_page_is_whole_while_its_stand_ins_run(project):
    """What its tests do with fakes, with `make serve` as it is."""
    with project.served():
        headers, body = project.answered(lambda headers, body: True)
        called = project.run("-m", "fastdag", "call", "GET", "/products/42")
    assert body == '{"product":{"id":42,"name":"Birch desk lamp","price":12550},"offer":{"price":12550,"stars":[5,4]}}'
    assert headers["fastdag-complete"] == "true"
    assert called.returncode == 0, called.stderr
    assert "Birch desk lamp" in called.stdout


def ctrl_c(process):
    os.killpg(process.pid, signal.SIGINT)


def end_of_make(process):
    process.terminate()


def end_of_the_service(process):
    """gunicorn's master says who it is."""
    while not (said := re.search(r"Listening at: .* \((\d+)\)", process.stdout.readline())):
        pass
    os.kill(int(said[1]), signal.SIGTERM)


@pytest.mark.parametrize("end", [ctrl_c, end_of_make, end_of_the_service])
def test_serve_ends_with_all_that_it_started(project, end):
    with project.served() as process:
        end(process)
        words, _ = process.communicate(timeout=20)
        assert "Traceback" not in words


def test_it_bears_its_name(project):
    assert tomllib.loads((project.place / "pyproject.toml").read_text())["project"]["name"] == "my-shop"
    files = [file for file in project.place.rglob("*") if file.is_file()]
    assert [file for file in files if "{{name}}" in file.read_text() or file.suffix == ".tmpl"] == []


def test_what_was_written_is_listed(place, data):
    files = data("new", "my-shop", app=None)["files"]
    assert {"app/main.py", "gunicorn.conf.py", "Makefile", "tests/test_product_page.py"} <= set(files)
    assert all((place / "my-shop" / file).is_file() for file in files)


@pytest.mark.parametrize("name", ["My-Shop", "3shops", "shop!", "-shop", "shop-", "my shop", ".."])
def test_names_that_no_project_can_have(place, fastdag, name):
    result = fastdag("new", "--", name, app=None)
    assert result.exit_code == 2
    assert "lower-case letters" in result.stderr
    assert list(place.iterdir()) == []


def test_nothing_is_written_over(place, fastdag):
    (place / "shop").mkdir()
    (place / "shop/notes").write_text("mine")
    result = fastdag("new", "shop", app=None)
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert [file.name for file in (place / "shop").iterdir()] == ["notes"]


def test_an_empty_directory_can_be_filled(place, fastdag):
    (place / "shop").mkdir()
    assert fastdag("new", "shop", app=None).exit_code == 0
