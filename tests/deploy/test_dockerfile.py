"""The Dockerfile without Docker: each step is run as a script, below a directory that plays the root of the image."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.app.conftest import free_port

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """One FROM and what follows it."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def arguments(self, instruction: str) -> list[str]:
        return [argument for name, argument in self.steps if name == instruction]


def parse(text: str) -> list[Stage]:
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line:
            continue
        instruction, _, argument = line.partition(" ")
        if instruction == "FROM":
            base, _, name = argument.partition(" AS ")
            stages.append(Stage(base, name))
        else:
            stages[-1].steps.append((instruction, argument))
    return stages


STAGES = parse((ROOT / "Dockerfile").read_text())
BUILD, FINAL = STAGES


class Image:
    """The file system a stage leaves behind; absolute paths in its steps lie below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root

    def path(self, inside: str) -> Path:
        return self.root / inside.lstrip("/") if inside.startswith("/") else self.directory / inside

    def command(self, words: list[str]) -> list[str]:
        return [str(self.path(word)) if word.startswith("/opt/") else word for word in words]

    def run(self, stage: Stage, sources: dict[str, Path]) -> None:
        for instruction, argument in stage.steps:
            if instruction == "WORKDIR":
                self.directory = self.path(argument)
                self.directory.mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                self._copy(argument, sources)
            elif instruction == "RUN":
                subprocess.run(self.command(shlex.split(argument)), cwd=self.directory, check=True, timeout=300)

    def _copy(self, argument: str, sources: dict[str, Path]) -> None:
        words = argument.split()
        source = sources[words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""]
        *names, target = words
        for name in names:
            origin, goal = source / name.lstrip("/"), self.path(target)
            if origin.is_dir():
                shutil.copytree(origin, goal, symlinks=True)
            else:
                shutil.copy(origin, goal / origin.name)


def context(at: Path) -> Path:
    """What .dockerignore lets through: nothing but the names it excepts."""
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            origin, goal = ROOT / line[1:], at / line[1:]
            if origin.is_dir():
                shutil.copytree(origin, goal, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                at.mkdir(exist_ok=True)
                shutil.copy(origin, goal)
    return at


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The final stage. Its virtual environment knows the path it was made at, so both stages share that path."""
    top = tmp_path_factory.mktemp("image")
    sources = {"": context(top / "context")}
    build = Image(top / "build")
    build.run(BUILD, sources)
    final = Image(top / "final")
    final.run(FINAL, sources | {BUILD.name: build.root})
    venv = build.path("/opt/venv")
    shutil.rmtree(final.path("/opt/venv"))
    final.path("/opt/venv").symlink_to(venv)
    return final


def test_it_builds_in_one_stage_and_runs_in_another():
    assert BUILD.name and not FINAL.name
    assert FINAL.arguments("RUN") == []
    assert {stage.base for stage in STAGES} == {"python:3.12-slim"}


def test_it_does_not_run_as_root():
    (user,) = FINAL.arguments("USER")
    assert [int(number) > 0 for number in user.split(":")] == [True, True]


def test_dependencies_are_installed_before_the_apps_own_code_is_copied():
    copies = FINAL.arguments("COPY")
    assert copies[0].startswith("--from=build")
    assert copies[-1] == "app app"


def test_the_image_starts_and_its_own_health_check_finds_it_healthy(image):
    port = free_port()
    environ = dict(pair.split("=", 1) for argument in FINAL.arguments("ENV") for pair in argument.split())
    environ |= {"BIND": f"127.0.0.1:{port}", "PATH": f"{image.path('/opt/venv')}/bin:/usr/bin:/bin"}
    (command,) = FINAL.arguments("CMD")
    (check,) = FINAL.arguments("HEALTHCHECK")
    check = json.loads(check.partition(" CMD ")[2])
    check = [word.replace(":8000", f":{port}") for word in check]
    with subprocess.Popen(json.loads(command), cwd=image.directory, env=environ) as server:
        try:
            patience = time.monotonic() + 20
            while not answers(port):
                assert server.poll() is None
                assert time.monotonic() < patience
                time.sleep(0.1)
            assert subprocess.run(check, env=environ, timeout=10, check=False).returncode == 0
        finally:
            server.terminate()
    assert server.returncode == 0
    assert subprocess.run(check, env=environ, timeout=10, check=False, stderr=subprocess.DEVNULL).returncode != 0


def answers(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).status == 200
    except (urllib.error.URLError, OSError):
        return False


def test_the_image_holds_no_source_of_the_framework_and_no_tests(image):
    assert sorted(path.name for path in image.directory.iterdir()) == ["app", "gunicorn.conf.py"]


def test_the_interpreter_is_the_one_the_classifiers_name():
    version = FINAL.base.partition(":")[2].removesuffix("-slim")
    assert f"Programming Language :: Python :: {version}" in (ROOT / "pyproject.toml").read_text()
    assert sys.version_info >= (3, 11)
