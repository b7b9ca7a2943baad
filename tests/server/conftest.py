"""Servers that a module's tests share: starting one takes most of a second."""

import pytest

from tests.server.serving import OURS, serving


@pytest.fixture(scope="module", params=[OURS, "gevent"], ids=["ours", "stock"])
def either(request, tmp_path_factory):
    """What both workers must do."""
    with serving(tmp_path_factory.mktemp("either"), worker=request.param) as server:
        yield server


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("ours")) as server:
        yield server


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """Ours, with every limit short or low."""
    options = (
        "header_timeout=1, body_timeout=1, write_timeout=1, max_request_bytes=1000, admission=4, blocked_after=0.25"
    )
    settings = "keepalive = 1\nworker_connections = 12"
    with serving(tmp_path_factory.mktemp("hasty"), options=options, settings=settings) as server:
        yield server
