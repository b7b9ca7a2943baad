"""What operators look at, on an address of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from webtest import TestApp

from fastdag.observe.metrics import Metrics
from fastdag.web.app import App
from tests.web.common import graph_of, nothing


def made(ops: str = "127.0.0.1:0", **options: object) -> App:
    app = App(ops=ops, title="Shop", **options)  # type: ignore[arg-type]
    app.add_graph("/page", graph_of(nothing))
    return app


@pytest.fixture
def app() -> Iterator[App]:
    app = made(observe=[Metrics()])
    app.start()
    yield app
    app.stop()


def url(app: App, path: str) -> str:
    assert app.desk is not None and app.desk.address is not None
    host, port = app.desk.address
    return f"http://{host}:{port}{path}"


def test_the_description_and_the_numbers_are_there_and_not_on_the_public_port(app: App) -> None:
    TestApp(app).get("/page")

    assert requests.get(url(app, "/openapi.json"), timeout=5).json()["info"]["title"] == "Shop"
    assert "Shop" in requests.get(url(app, "/_fastdag/docs"), timeout=5).text
    assert 'http_route="/page"' in requests.get(url(app, "/metrics"), timeout=5).text
    for path in ("/openapi.json", "/_fastdag/docs", "/metrics"):
        TestApp(app).get(path, status=404)


def test_the_public_routes_are_not_there_and_errors_are_problems(app: App) -> None:
    answer = requests.get(url(app, "/page"), timeout=5)

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_it_ends_with_the_app_and_can_begin_again(app: App) -> None:
    before = url(app, "/openapi.json")
    app.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(before, timeout=5)
    app.start()
    assert requests.get(url(app, "/openapi.json"), timeout=5).status_code == 200


def test_several_workers_listen_at_one_address(app: App) -> None:
    assert app.desk is not None and app.desk.address is not None
    other = made(f"127.0.0.1:{app.desk.address[1]}")
    other.start()
    try:
        assert requests.get(url(other, "/openapi.json"), timeout=5).status_code == 200
    finally:
        other.stop()
    assert requests.get(url(app, "/openapi.json"), timeout=5).status_code == 200


def test_another_start_hook_that_raises_does_not_leave_two() -> None:
    def down() -> None:
        raise OSError("the database is down")

    app = made(on_start=down)
    for _ in range(2):
        with pytest.raises(OSError, match="database"):
            app.start()
    assert app.desk is not None
    address = app.desk.address
    assert address is not None
    app.desk.stop()
    assert app.desk.address is None


@pytest.mark.parametrize(
    "ops", ["", "9100", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "http://a:1", "a:1/x", None]
)
def test_an_address_that_is_none_is_refused(ops: str) -> None:
    with pytest.raises(ValueError, match="ops is True, False or an address like"):
        App(ops=ops)
