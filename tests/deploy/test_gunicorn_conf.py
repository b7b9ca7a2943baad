"""gunicorn.conf.py: read by gunicorn itself, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments, **environ):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )


def setting(name, **environ):
    printed = run("-m", "gunicorn", "-c", "gunicorn.conf.py", "--print-config", "app.main:app", **environ).stdout
    return next(line.partition("=")[2].strip() for line in printed.splitlines() if line.split(" ")[0] == name)


def test_the_library_is_patched_before_anything_else():
    lines = (ROOT / "gunicorn.conf.py").read_text().splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert imports[0] == "from gevent import monkey"
    assert lines.index("monkey.patch_all()") < lines.index(imports[1])


def test_an_app_with_broken_settings_does_not_start_and_says_why():
    refused = run(
        "-m", "gunicorn", "-c", "gunicorn.conf.py", "--check-config", "app.main:app", SHOP_PAGE_TIMEOUT="soon"
    )
    assert refused.returncode != 0
    assert "SHOP_PAGE_TIMEOUT" in refused.stderr


@pytest.mark.parametrize(
    ("name", "environ", "value"),
    [
        ("workers", {"WEB_CONCURRENCY": "3"}, "3"),
        ("worker_class", {}, "fastdag.server.GeventWorker"),
        ("bind", {"BIND": "0.0.0.0:80"}, "['0.0.0.0:80']"),
    ],
)
def test_a_deployment_sets_these_in_the_environment(name, environ, value):
    assert setting(name, **environ) == value
