"""The plugin in a pytest of its own, as a user has it: what it gives, and that it comes before the patching."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTS = """
import gevent
import pytest
from fastdag import App, Graph, Upstream

shop = Upstream("shop", "http://shop:8080", retry=None)
own_stack = shop.stack
page = Graph("page")
page.fetch("thing", shop, "/items/{path.id}")
app = App()
app.add_graph("/pages/{id}", page)


def test_fixtures(no_leaks, fake_upstream, virtual_clock, app_client, snapshot_file):
    virtual_clock.attach(shop)
    fake = fake_upstream(shop)
    fake.on("GET /items/{id}", {"id": "{id}"})
    answer = app_client(app).get("/pages/4")
    assert answer.json == {"id": "4"}
    snapshot_file(answer.text)
    snapshot_file(answer.text, "named.json")


def test_clock_first(fake_upstream, virtual_clock):
    virtual_clock.attach(shop)
    fake_upstream(shop)


def test_fake_first(virtual_clock, fake_upstream):
    fake_upstream(shop)
    virtual_clock.attach(shop)


def test_neither_is_left():
    assert shop.stack is own_stack and shop.hosts is shop.stack.site.hosts


def test_unexpected(fake_upstream):
    fake_upstream(shop)
    shop.get("/items/1")


def test_leaky(no_leaks):
    gevent.spawn(gevent.sleep, 2.5)


def test_afterwards():
    assert shop.stack is own_stack
"""


def test_a_users_tests(users_pytest, tmp_path):
    (tmp_path / "test_it.py").write_text(TESTS)
    first = users_pytest("-k", "fixtures")
    assert "run pytest --fastdag-update, look at it, and commit it" in first.stdout, first.stdout + first.stderr
    updated = users_pytest("-k", "fixtures", "--fastdag-update")
    assert "1 passed" in updated.stdout
    assert sorted(file.name for file in (tmp_path / "snapshots").iterdir()) == ["named.json", "test_fixtures.txt"]
    again = users_pytest()
    assert "nothing is scripted for GET /items/1" in again.stdout
    assert "left running: <Greenlet" in again.stdout
    assert "7 passed, 2 errors" in again.stdout


def test_the_entry_point_is_the_plugins_own_name():
    """Or pytest would refuse it as registered twice where a conftest.py names it, too."""
    text = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\npytest_fastdag = "pytest_fastdag"\n' in text
