"""Every Python block of the README and of the documentation runs: a page's blocks in order, in one namespace.

Base URLs like `http://catalog:8080` lead to `docs_services.ANSWERS`, at `/catalog/...`. A block that shows a session
(`>>>`) is compared with what it prints. Blocks with a title are files of the tutorial, which `test_tutorial` writes.
"""

import doctest
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon
import falcon.testing
import pytest
from gevent.pywsgi import WSGIServer

from tests.docs_services import ANSWERS, nobody

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a page, each with the number of its first line."""
    text = page.read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(1)) + 1, match[1]) for match in found]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where all the services of the documentation are, each below its name."""

    def answer(req: falcon.Request, resp: falcon.Response, path: str) -> None:
        known = re.sub(r"^(/[a-z]+)-\d+/", r"\1/", req.path)  # catalog-1 and catalog-2 are two hosts of one service
        if known not in ANSWERS:
            raise falcon.HTTPNotFound()
        resp.media = ANSWERS[known]

    app = falcon.App()
    app.add_sink(answer, r"(?P<path>/.*)")
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop(timeout=1)


@pytest.fixture
def run(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], dict[str, Any]]:
    """Runs a page, and returns the names that its blocks have left."""
    monkeypatch.chdir(tmp_path)

    def run_page(page: Path, **services: str) -> dict[str, Any]:
        def locate(match: re.Match[str]) -> str:
            return services.get(match[1], f"{address}/{match[1]}")

        names: dict[str, Any] = {"__name__": page.stem}
        for line, block in blocks(page, "python"):
            source = re.sub(r"https?://([a-z0-9-]+):8080", locate, block)
            if ">>> " in source:
                check(source, names, page, line)
            else:
                # The line breaks put the block where a traceback will look for it.
                exec(compile("\n" * (line - 1) + source, page, "exec"), names)
        return names

    return run_page


def check(session: str, names: dict[str, Any], page: Path, line: int) -> None:
    test = doctest.DocTestParser().get_doctest(session, names, page.name, str(page), line - 1)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
    names.update(test.globs)
    assert not said, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(page, run):
    run(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_block_of_a_page_is_left_out(page):
    fences = re.findall(r"^\s*(?:```|~~~) *(py\S*.*|pycon.*)$", page.read_text(), re.MULTILINE)
    files = 'python title="' if page.stem == "tutorial" else None
    assert [fence for fence in fences if fence != "python" and not (files and fence.startswith(files))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_readme_shows_what_its_program_answers(run):
    ((_, shown),) = blocks(README, "json")
    answer = falcon.testing.TestClient(run(README)["app"]).simulate_get("/products/42")
    assert (answer.status_code, answer.headers["fastdag-complete"]) == (200, "true")
    assert answer.json == json.loads(shown)


def test_the_readme_shows_what_is_missing_when_the_reviews_are_down(run):
    with nobody() as address:
        answer = falcon.testing.TestClient(run(README, reviews=address)["app"]).simulate_get("/products/42")
    assert answer.status_code == 200
    assert answer.json["offer"]["stars"] == []
    for header in ("Fastdag-Complete", "Fastdag-Missing", "Cache-Control"):
        assert f"`{header}: {answer.headers[header]}`" in README.read_text()


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) < 150
    assert len(blocks(README, "python")[0][1].splitlines()) < 20
