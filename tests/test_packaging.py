"""The wheel, in an environment that holds nothing else: all that is imported is declared."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
from gevent import monkey

monkey.patch_all()

import importlib, pkgutil
import fastdag

extras = ("fastdag.cli.", "fastdag.observe.metrics", "fastdag.observe.trace", "fastdag.upstream.policies.redis")
for module in pkgutil.walk_packages(fastdag.__path__, "fastdag."):
    if not module.name.startswith(extras) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)

graph = fastdag.Graph("hello")


@graph.node(output="greeting")
def greeting(context):
    return f"hello {context}"


print(graph.run("wheel").merged["greeting"])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", target], cwd=ROOT, check=True)
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory, wheel):
    """The interpreter of an environment in which only the wheel and what it asks for is installed."""
    home = tmp_path_factory.mktemp("empty")
    venv.create(home, with_pip=True)
    found = home / "bin/python"
    subprocess.run([found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True)
    return found


def test_the_wheel_holds_the_framework_typed_its_pytest_plugin_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "fastdag/py.typed" in names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"fastdag", "pytest_fastdag.py"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_works_where_nothing_else_is_installed(python, tmp_path):
    ran = subprocess.run(
        [python, "-W", "error", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == ""
    assert ran.stdout == "hello wheel\n"


def test_the_wheel_holds_the_files_of_a_new_project(wheel):
    template = ROOT / "fastdag/cli/template"
    files = {str(file.relative_to(ROOT)) for file in template.rglob("*") if file.is_file()}
    assert len(files) > 10
    assert files <= set(zipfile.ZipFile(wheel).namelist())


def test_the_command_line_asks_for_its_extra(python):
    for command in ([python, "-m", "fastdag"], [python.parent / "fastdag"]):
        asked = subprocess.run([*command, "routes"], capture_output=True, text=True, timeout=60)
        assert asked.returncode == 1
        assert asked.stderr.endswith("install them with: pip install 'fastdag[cli]'\n")


def test_what_is_installed_fits_together(python):
    checked = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
