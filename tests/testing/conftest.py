"""The trips of `trips.py`, with fakes for the services that they ask; and a pytest in the test."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from . import trips

ROOT = Path(__file__).parents[2]

CONFTEST = """
import sys
assert "fastdag" not in sys.modules and "ssl" not in sys.modules

from gevent import monkey

monkey.patch_all()
"""


@pytest.fixture
def world(fake_upstream):
    """What the three services answer when all is well; each takes a while, so that calls can overlap."""
    places, weather, hotels = (fake_upstream(upstream, delay=0.01) for upstream in trips.ALL)
    return SimpleNamespace(
        places=places,
        weather=weather,
        hotels=hotels,
        city=places.on("GET /cities/{name}", {"name": "{name}", "at": "59,17"}),
        forecast=weather.on("GET /forecast", {"sky": "blue"}),
        near=hotels.on("GET /near", {"found": [1, 2, 3]}),
        hotel=hotels.on("GET /hotels/{id}", {"id": "{id}", "beds": 2}),
    )


@pytest.fixture
def users_pytest(tmp_path):
    """Runs pytest in a folder of its own, as a user has it, with the plugin."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n  ignore:'cgi':DeprecationWarning\n")

    def run(*arguments):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_fastdag", "-p", "no:cacheprovider", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    return run
