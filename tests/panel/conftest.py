"""The services behind the shop that the panel shows, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.services import NAMES


@pytest.fixture(scope="session")
def _services() -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.services", "--first-port", "0"], stdout=subprocess.PIPE, text=True
    )
    yield dict(process.stdout.readline().split() for _ in NAMES)
    process.terminate()
    process.communicate(timeout=10)


@pytest.fixture(scope="module")
def services_of_the_shop(_services: dict[str, str]) -> Iterator[None]:
    """What is started while this is in force finds the services. The shop in the tests' own process has others."""
    with pytest.MonkeyPatch.context() as patch:
        for name, url in _services.items():
            patch.setenv(f"SHOP_{name.upper()}_URL", url)
        yield
