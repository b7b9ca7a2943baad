"""The pytest plugin: fixtures for tests of services written with fastdag, and `--fastdag-update`.

pytest imports plugins before any conftest.py, so before a program can patch the standard library. That is why this
stands beside the package, and why nothing of fastdag is imported before a fixture is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fastdag import App, Upstream
    from fastdag.testing import FakeUpstream, VirtualClock


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fastdag")
    group.addoption("--fastdag-update", action="store_true", help="write snapshots instead of comparing with them")


@pytest.fixture
def fastdag_undo() -> Iterator[ExitStack]:
    """What fakes and clocks have changed, undone in the reverse of the order in which a test had them do it.

    pytest undoes fixtures in the reverse of their own order, and a test may attach a clock before or after a fake.
    """
    with ExitStack() as undo:
        yield undo


@pytest.fixture
def fake_upstream(fastdag_undo: ExitStack) -> Callable[..., FakeUpstream]:
    """Starts fakes that end with the test: `fake_upstream(catalog)` stands in for an upstream, or several."""
    from fastdag.testing import FakeUpstream, override_upstream

    def start(*upstreams: Upstream, delay: float = 0.0) -> FakeUpstream:
        name = " and ".join(upstream.name for upstream in upstreams) or "fake"
        fake = fastdag_undo.enter_context(FakeUpstream(name, delay=delay))
        for upstream in upstreams:
            fastdag_undo.enter_context(override_upstream(upstream, fake))
        return fake

    return start


@pytest.fixture
def virtual_clock(fastdag_undo: ExitStack) -> VirtualClock:
    """A clock for the policies of the upstreams that are attached: `virtual_clock.attach(catalog)`."""
    from fastdag.testing import VirtualClock

    return VirtualClock(undo=fastdag_undo)


@pytest.fixture
def app_client() -> Callable[[App], Any]:
    """Makes WebTest clients: `app_client(app).get("/products/42")`."""
    from webtest import TestApp  # type: ignore[import-untyped]

    make: Callable[[App], Any] = TestApp
    return make


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fails a test that leaves greenlets running. Name it before other fixtures, to look after them."""
    from fastdag.testing import no_leaks

    with no_leaks():
        yield


@pytest.fixture
def snapshot_file(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compares text with a file in `snapshots/` beside the test: `snapshot_file(matrix.markdown(), "page.md")`.

    Without a name, the file has the test's. `pytest --fastdag-update` writes it.
    """
    from fastdag.testing import check_snapshot

    def check(text: str, name: str = "") -> None:
        file: Path = request.path.parent / "snapshots" / (name or f"{request.node.name}.txt")
        check_snapshot(text, file, update=request.config.getoption("--fastdag-update"))

    return check
