"""The page and its files: complete, and with nothing from elsewhere."""

import re
from pathlib import Path

import pytest

import fastdag.web.panel
from tests.panel.common import LOCAL, panelled

STATIC = Path(fastdag.web.panel.__file__).parent / "static"
FILES = sorted(file.name for file in STATIC.rglob("*") if file.suffix in (".js", ".css"))
OURS = sorted(file for file in STATIC.iterdir() if file.suffix in (".js", ".css", ".html"))


@pytest.mark.parametrize("path", ["/_fastdag/", "/_fastdag/data", "/_fastdag/static/main.js"])
def test_nothing_is_loaded_from_elsewhere_run_inline_framed_or_kept(path):
    headers = panelled().get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_without_its_slash_the_address_leads_to_the_page():
    answer = panelled().get("/_fastdag", status=303, extra_environ={**LOCAL, "SCRIPT_NAME": "/shop"})
    assert answer.headers["Location"].endswith("/shop/_fastdag/")


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_as_what_it_is(name):
    answer = panelled().get(f"/_fastdag/static/{name}")
    assert answer.content_type == {"js": "text/javascript", "css": "text/css"}[name.rpartition(".")[2]]
    assert answer.body == next(STATIC.rglob(name)).read_bytes()


@pytest.mark.parametrize("name", ["nothing.js", "..%2fpanel.py", "%2e%2e%2fpages.py", "dagre.LICENSE.txt"])
def test_nothing_else_is_a_file(name):
    panelled().get(f"/_fastdag/static/{name}", status=404)


def test_the_page_names_only_files_that_there_are():
    named = [
        *re.findall(r'(?:src|href)="static/([^"]+)"', (STATIC / "index.html").read_text()),
        *(name for file in OURS for name in re.findall(r'from "\./([^"]+)"', file.read_text())),
    ]
    assert len(named) > 10
    assert set(named) <= set(FILES)


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_our_files_refer_to_no_other_host_and_put_no_text_into_markup(file):
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert (
        re.findall(r"https?://|//[a-z]+\.[a-z]+/|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text) == []
    )
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=\"", text) == []


def test_the_layout_library_comes_with_its_licence():
    assert "MIT" in (STATIC / "vendor/dagre.js").read_text()[:200]
    assert "Permission is hereby granted, free of charge" in (STATIC / "vendor/dagre.LICENSE.txt").read_text()
