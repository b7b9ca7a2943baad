"""The panel in a real Chromium, in front of the reference app. `browser.mjs` holds what it does there."""

import os
import shutil
from pathlib import Path

import pytest
from gevent import subprocess

from tests.panel.common import TOKEN
from tests.server.serving import serving

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
MODULES = HERE / "node_modules/playwright-core"

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and shutil.which("node") and MODULES.is_dir()),
    reason="no browser: apt-get install chromium nodejs npm; npm install --no-package-lock --prefix tests/panel",
)


@pytest.fixture(scope="module")
def served(services_of_the_shop, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("served"), program="tests.panel.program:app") as server:
        yield server


@pytest.fixture(scope="module")
def locked(services_of_the_shop, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANEL_TOKEN", TOKEN)
        with serving(tmp_path_factory.mktemp("locked"), program="tests.panel.program:app") as server:
            yield server


def look(server, scenario, folder):
    """Fails with what the browser saw."""
    assert server.address, server.words()
    seen = subprocess.run(
        ["node", HERE / "browser.mjs", scenario, f"http://127.0.0.1:{server.address[1]}", folder],
        env={**os.environ, "CHROMIUM": CHROMIUM, "PANEL_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert seen.returncode == 0, seen.stdout + seen.stderr


@pytest.mark.parametrize(
    "scenario", ["renders", "empty", "caches", "updates", "holds", "keyboard", "phone", "colours"]
)
def test_the_panel_works_in_a_browser(served, scenario, tmp_path):
    look(served, scenario, tmp_path)


@pytest.mark.parametrize("scenario", ["signs_in", "refused"])
def test_a_browser_needs_the_token_where_there_is_one(locked, scenario, tmp_path):
    look(locked, scenario, tmp_path)
