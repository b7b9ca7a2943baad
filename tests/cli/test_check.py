"""`fastdag check`: problems, findings, limits, and what the exit code says of them."""

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT

SOUND = """
page = Graph("page", timeout=1.5)
catalog = upstream("catalog", timeout=0.8, attempt_timeout=0.3)
page.fetch("product", catalog, "/products/{path.id}")
page.fetch("price", catalog, "/prices/{product.id}", timeout=0.2, retry=None)

@page.node(output="offer", timeout=1)
def offer(context, price):
    return price

app.add_graph("/products/{id:int}", page)
app.add_graph("/quick/{id:int}", page, timeout=1.2)
"""


def test_an_app_in_which_all_is_well(write, fastdag):
    write(SOUND)
    result = fastdag("check", "--strict")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "2 routes, 0 problems, 0 findings"


def test_every_limit_is_told_as_it_holds_in_the_end(write, data):
    write(SOUND)
    route = data("check")["routes"][0]
    assert (route["path"], route["graph"], route["timeout"]) == ("/products/{id:int}", "page", 1.5)
    assert route["nodes"] == [
        {"node": "product", "timeout": 0.8, "upstream": "catalog", "attempt": 0.3, "attempts": 2},
        {"node": "price", "timeout": 0.2, "upstream": "catalog", "attempt": 0.2, "attempts": 1},
        {"node": "offer", "timeout": 1, "upstream": None, "attempt": None, "attempts": None},
    ]


def test_all_problems_of_all_routes_are_told_at_once(write, data, fastdag):
    write("""
        cycle = Graph("cycle")
        cycle.node(id="a")(lambda context, b: 1)
        cycle.node(id="b")(lambda context, a: 1)
        app.add_graph("/cycle", cycle)
        app.add_graph("/empty", Graph("empty"), methods=("PUT", "POST"))
        fine = Graph("fine")
        fine.node(id="x")(lambda context: 1)
        app.add_graph("/fine", fine)
    """)
    report = data("check")
    assert [problem["routes"] for problem in report["problems"]] == [["GET /cycle"], ["PUT,POST /empty"]]
    assert report["problems"][0]["text"] == "cycle: cycle a -> b -> a"
    assert [route["path"] for route in report["routes"]] == ["/fine"]
    assert fastdag("check").exit_code == 1


def test_a_graph_that_was_broken_after_it_was_bound_is_a_problem(write, data):
    write(SOUND + "page.node(id='late')(lambda context, nothing: 1)\n")
    (problem,) = data("check")["problems"]
    assert problem["text"] == "page.late wants 'nothing', which nothing provides"
    assert problem["routes"] == ["GET /products/{id:int}", "GET /quick/{id:int}"]


def test_an_app_that_cannot_be_imported_is_a_problem(write, fastdag):
    write("Graph('page').fetch('x', upstream('u'), '/{')\n")
    result = fastdag("check")
    assert result.exit_code == 1
    assert "shop cannot be imported: shop.py" in result.stdout
    assert result.stdout.splitlines()[-1] == "0 routes, 1 problem, 0 findings"


def test_no_app_is_no_problem_of_the_app(fastdag):
    assert fastdag("check", app="nowhere").exit_code == 2


def test_findings_fail_a_check_only_if_it_is_strict(write, fastdag):
    write(SOUND + "app.add_graph('/slow/{id}', page, timeout=None)\npage.timeout = None\n")
    assert fastdag("check").exit_code == 0
    assert fastdag("check", "--strict").exit_code == 1


def test_quiet_tells_only_what_is_wrong(write, fastdag):
    write(SOUND)
    assert fastdag("check", "--quiet").stdout == "2 routes, 0 problems, 0 findings\n"


ONE_FETCH = """
u = upstream("u", {upstream})
page = Graph("page", timeout={graph})
page.fetch("x", u, "/x", {fetch})
app.add_graph("/x", page, timeout={route})
"""


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"upstream": "timeout=0.8, attempt_timeout=0.4"}, None),
        ({"upstream": "timeout=0.8, attempt_timeout=0.8"}, None),
        ({"upstream": "timeout=3, attempt_timeout=0.4"}, "page.x may take the 3 s of upstream 'u', which the run's 1"),
        ({"upstream": "timeout=3, attempt_timeout=0.4", "route": "5"}, None),
        ({"upstream": "timeout=3, attempt_timeout=0.4", "fetch": "timeout=0.5"}, None),
        ({"upstream": "timeout=3, attempt_timeout=0.4", "fetch": "sink=True"}, None),
        ({"fetch": "timeout=1.2", "upstream": "attempt_timeout=0.4"}, "page.x has timeout=1.2, which the run's 1 s"),
        ({"upstream": "timeout=0.8"}, "one attempt may take 1 s and all of them 0.8 s"),
        ({"upstream": "attempt_timeout=None"}, "one attempt may take any time and all of them 1 s"),
        ({"upstream": "attempt_timeout=2"}, "one attempt may take 2 s and all of them 1 s"),
        ({"upstream": "timeout=0.8, retry=None"}, None),
        ({"upstream": "timeout=0.8", "fetch": "retry=None"}, None),
        ({"upstream": "timeout=0.8, retry=None", "fetch": "retry=Retry(attempts=3)"}, "page.x may repeat its call"),
        ({"upstream": "attempt_timeout=0.4", "graph": "None"}, "GET /x has no time limit"),
        ({"upstream": "attempt_timeout=0.4", "graph": "None", "route": "1"}, None),
    ],
)
def test_limits_that_contradict_each_other_are_found(write, data, options, found):
    write(ONE_FETCH.format(**{"upstream": "", "fetch": "", "graph": "1", "route": "None"} | options))
    findings = [finding["text"] for finding in data("check")["findings"]]
    assert len(findings) == (found is not None), findings
    assert found is None or found in findings[0]


def test_what_a_graph_does_without_need_is_a_finding_once_for_all_its_routes(write, data):
    write(SOUND + "page.node(id='unused', output='unused')(lambda context, product: 1)\n")
    (finding,) = data("check")["findings"]
    assert "never uses it" in finding["text"]
    assert finding["routes"] == ["GET /products/{id:int}", "GET /quick/{id:int}"]


def test_nothing_is_found_in_the_reference_app():
    """Whatever the tests before have set: a developer's environment has none of it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "FASTDAG_"))}
    command = [sys.executable, "-m", "fastdag", "check", "--strict", "--quiet"]
    checked = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "6 routes, 0 problems, 0 findings\n", "")


def test_what_a_route_never_has_is_a_problem(write, data, fastdag):
    write("""
        import msgspec

        class Search(msgspec.Struct):
            term: str
            page_number: int = msgspec.field(default=1, name="page")

        page = Graph("page")
        catalog = upstream("catalog")
        page.fetch("a", catalog, "/a/{path.idd}")
        page.fetch("b", catalog, "/b/{path.id}", params={"lang": "{path.lang?}", "t": "{query.term}"})
        page.fetch("c", catalog, "/c/{item.id}/{path.di}", each="b.items")
        page.fetch("d", catalog, "/d", params={"n": "{query.page_number}", "x": "{query.trem}"})
        app.add_graph("/three/{id:int}", page, query=Search)
        free = Graph("free")
        free.fetch("a", catalog, "/a", params={"x": "{query.anything}"})
        app.add_graph("/free", free)
    """)
    texts = [problem["text"] for problem in data("check")["problems"]]
    assert texts == [
        "page.a: {path.idd} never has a value, since the path /three/{id:int} has no 'idd'; did you mean 'id'?",
        "page.c: {path.di} never has a value, since the path /three/{id:int} has no 'di'",
        "page.d: {query.trem} never has a value, since the query Search has no 'trem'; did you mean 'term'?",
    ]
    assert fastdag("check").exit_code == 1
