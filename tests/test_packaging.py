"""What is released: the wheel in environments that hold nothing else, and the source distribution it is made of."""

import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fastdag
from tests.projects import Project
from tests.test_architecture import house

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: What users install for more than the core, and the modules that need it.
EXTRAS = {
    "cli": "fastdag.cli.",
    "metrics": "fastdag.observe.metrics",
    "otel": "fastdag.observe.trace",
    "redis": "fastdag.upstream.policies.redis",
}

#: Used where somebody has installed them, and no extra's.
WELCOME = {"brotli", "zstandard"}

#: Imports all modules but those that begin with an argument, and serves one request.
PROGRAM = """
from gevent import monkey

monkey.patch_all()

import importlib, pkgutil, sys
import falcon.testing
import fastdag

for module in pkgutil.walk_packages(fastdag.__path__, "fastdag."):
    if not module.name.startswith(tuple(sys.argv[1:])) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)

graph = fastdag.Graph("hello")


@graph.node(output="greeting")
def greeting(context):
    return f"hello {context.path['name']}"


app = fastdag.App()
app.add_graph("/{name}", graph)
print(falcon.testing.TestClient(app).simulate_get("/wheel").text)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel, and the source distribution that it was built from."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", target], cwd=ROOT, check=True)
    (wheel,) = target.glob("*.whl")
    (source,) = target.glob("*.tar.gz")
    return wheel, source


@pytest.fixture(scope="module")
def wheel(built):
    return built[0]


def installed(home, *requirements):
    """The interpreter of an environment in which only this, and what it asks for, is installed."""
    venv.create(home, with_pip=True)
    python = home / "bin/python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], check=True
    )
    return python


@pytest.fixture(scope="module")
def python(tmp_path_factory, wheel):
    return installed(tmp_path_factory.mktemp("empty"), wheel)


@pytest.fixture(scope="module")
def python_with_extras(tmp_path_factory, wheel):
    return installed(tmp_path_factory.mktemp("extras"), f"{wheel}[{','.join(EXTRAS)}]", "pytest")


def names(requirements):
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def test_whatever_is_imported_is_declared():
    distributions = packages_distributions()
    undeclared = []
    for module in house():
        declared = names(PROJECT["dependencies"]) | WELCOME
        for extra, prefix in EXTRAS.items():
            if f"fastdag.{module.path.replace('/', '.')}".startswith(prefix):
                declared |= names(PROJECT["optional-dependencies"][extra])
        packages = {other.module.partition(".")[0] for other in module.imports} - sys.stdlib_module_names - {"fastdag"}
        undeclared += [
            f"{module.path} imports {package}"
            for package in packages
            if not declared & {canonicalize_name(found) for found in distributions[package]}
        ]
    assert undeclared == []


def test_every_dependency_has_a_lower_bound_and_no_upper_one():
    every = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    bounds = {each: str(Requirement(each).specifier) for each in every if not each.startswith("fastdag[")}
    assert [each for each, bound in bounds.items() if not re.fullmatch(r">=[\d.]+", bound)] == []


def test_the_version_is_the_same_everywhere(wheel):
    (told, *_) = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert fastdag.__version__ == PROJECT["version"] == told == wheel.name.split("-")[1]


def test_the_wheel_holds_the_framework_typed_its_pytest_plugin_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "fastdag/py.typed" in names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"fastdag", "pytest_fastdag.py"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_source_distribution_holds_what_the_wheel_is_made_tested_and_documented_with(built):
    with tarfile.open(built[1]) as source:
        tops = {name.split("/")[1] for name in source.getnames()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    wanted = {name.split("/")[0] for name in tracked.stdout.splitlines()} or {"fastdag", "tests", "LICENSE"}
    assert wanted - tops == set()


def test_the_wheel_works_where_nothing_else_is_installed(python, tmp_path):
    ran = subprocess.run(
        [python, "-W", "error", "-c", PROGRAM, *EXTRAS.values()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stderr == ""
    assert ran.stdout == '{"greeting":"hello wheel"}\n'


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


def test_with_its_extras_every_module_can_be_imported(python_with_extras, tmp_path):
    ran = subprocess.run([python_with_extras, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.stdout == '{"greeting":"hello wheel"}\n'


def test_a_new_project_is_tested_and_served_out_of_the_wheel(python_with_extras, tmp_path):
    subprocess.run([python_with_extras, "-m", "fastdag", "new", "my-shop"], cwd=tmp_path, check=True, timeout=60)
    project = Project(tmp_path / "my-shop", {"PATH": "/usr/bin:/bin"}, python=python_with_extras)
    tested = project.run("-m", "gevent.monkey", "--module", "pytest")
    assert tested.stdout.splitlines()[-1].startswith("6 passed"), tested.stdout + tested.stderr
    with project.served():
        _, body = project.answered(lambda headers, body: True)
    assert "Birch desk lamp" in body


@pytest.mark.parametrize("which", ["python", "python_with_extras"])
def test_what_is_installed_fits_together(which, request):
    python = request.getfixturevalue(which)
    checked = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
