"""Installs the contestants into benchmarks/.cache: a virtual environment and node modules.

`make` installs the project's extra `bench` into the environment it makes, and then only Node's are missing. Without
make, the environment made here leaves the caller's alone. It gets the same versions of what the caller has already,
gunicorn and gevent above all, so that contestants differ in nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.common import CACHE, ROOT

__all__ = ["NODE_MODULES", "PACKAGES", "install", "python_with"]

# undici 8 wants a newer Node than most distributions have.
NODE = ["fastify@5", "undici@7"]

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
VENV = CACHE / f"venv{VERSION}"
PACKAGES = VENV / "lib" / f"python{VERSION}" / "site-packages"
NODE_MODULES = CACHE / "node_modules"


def install() -> None:
    """Install all of them, or say what was left out."""
    CACHE.mkdir(exist_ok=True)
    if python_with("hamilton", "geventhttpclient", "fastapi", "uvicorn", "aiohttp", "uvloop", "orjson") is None:
        _install_python()
    if npm := shutil.which("npm"):
        subprocess.run([npm, "install", "--prefix", CACHE, "--no-audit", "--no-fund", "--no-save", *NODE], check=True)
    else:
        print("there is no npm here: the Node contestant will be left out")


def _install_python() -> None:
    constraints = CACHE / "constraints.txt"
    frozen = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    constraints.write_text("".join(line for line in frozen.splitlines(keepends=True) if "==" in line))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["bench"]]
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "-q", "-c", constraints, *wanted], check=True)
    python_with.cache_clear()


@cache
def python_with(*names: str) -> Path | None:
    """An interpreter that can import all of these (`module` or `module:name`): this one, else the one of `install`."""
    for python in (Path(sys.executable), VENV / "bin" / "python"):
        if python.exists() and _imports(python, names):
            return python
    return None


def _imports(python: Path, names: Iterable[str]) -> bool:
    command = [str(python), "-c", "import pkgutil, sys; [pkgutil.resolve_name(name) for name in sys.argv[1:]]", *names]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    install()
