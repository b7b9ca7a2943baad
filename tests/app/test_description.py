"""The shop does what its description says, also with input that it says is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.conftest import WORKERS, behind_gunicorn, free_port

PROGRAM = Path(sys.executable).with_name("schemathesis")


# gunicorn's own worker answers a long request line by itself, in HTML: it gets no line that is too long.
@pytest.mark.parametrize(("worker", "arguments"), [(WORKERS[0], ()), (WORKERS[1], ("--limit-request-line", "0"))])
def test_schemathesis_finds_no_error(services, tmp_path, worker, arguments):
    ops = f"127.0.0.1:{free_port()}"
    # What is made up is the same every time. For a longer look: other seeds, and more examples.
    options = ["--checks", "all", "--mode", "all", "--max-examples", "5", "--seed", "1"]
    config = Path(__file__).with_name("schemathesis.toml")
    with behind_gunicorn(worker, *arguments, SHOP_OPS_ADDRESS=ops, WEB_CONCURRENCY="2") as (_, address):
        found = subprocess.run(
            [PROGRAM, "--config-file", config, "run", *options, "--url", address, f"http://{ops}/openapi.json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-1000:]
    assert "Operations:       11 selected / 11 total" in found.stdout
    assert "No issues found" in found.stdout
