"""`fastdag new`: a project that runs, passes its tests, and has nothing to be found by `check`."""

import subprocess
import sys
import tomllib

import pytest


def run(*command, cwd, env):
    return subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


@pytest.fixture
def project(place, fastdag):
    assert fastdag("new", "my-shop", app=None).exit_code == 0
    return place / "my-shop"


def test_its_tests_pass(project, environ):
    assert "-m gevent.monkey --module pytest" in (project / "Makefile").read_text()
    ran = run("-m", "gevent.monkey", "--module", "pytest", cwd=project, env=environ)
    assert ran.returncode == 0, ran.stdout
    assert "5 passed" in ran.stdout


def test_nothing_is_found_in_it(project, environ):
    checked = run("-m", "fastdag", "check", "--strict", "--quiet", cwd=project, env=environ)
    assert checked.stdout == "1 route, 0 problems, 0 findings\n", checked.stderr


def test_it_answers_while_its_stand_ins_run(project, environ):
    """What its tests do inside of one process, with `call` and the stand-ins in two."""
    with subprocess.Popen(
        [sys.executable, "-c", STANDINS], cwd=project, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as standins:
        catalog, reviews = standins.stdout.readline().split()
        known = {"CATALOG_URL": catalog, "REVIEWS_URL": reviews}
        called = run("-m", "fastdag", "call", "GET", "/products/42", cwd=project, env=environ | known)
        standins.terminate()
    assert called.returncode == 0, called.stderr
    assert "Birch desk lamp" in called.stdout


STANDINS = """
import standins

servers = [standins.serve(standins.catalog, 0), standins.serve(standins.reviews, 0)]
print(*(f"http://127.0.0.1:{server.server_port}" for server in servers), flush=True)
standins.gevent.wait()
"""


def test_it_bears_its_name(project):
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == "my-shop"
    files = [file for file in project.rglob("*") if file.is_file()]
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
