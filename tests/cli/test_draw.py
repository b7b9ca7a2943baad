"""`fastdag draw`: graphs as pictures."""

from typing import get_args

import pytest

from fastdag.cli.commands import Form
from fastdag.observe.draw import FORMATS

APP = """
page, order = Graph("page"), Graph("order")
page.node(id="a")(lambda context: {"x": 1})
page.node(id="b")(lambda context, a=None: {"y": 1})
order.node(id="c")(lambda context: {"z": 1})
app.add_graph("/pages/{id}", page)
app.add_graph("/more/{id}", page)
app.add_graph("/orders", order, methods=("POST",))
"""


@pytest.fixture(autouse=True)
def shop(write):
    write(APP)


def test_what_can_be_asked_for_is_what_can_be_drawn():
    assert set(get_args(Form)) == set(FORMATS)


def test_all_graphs_are_drawn_each_once(fastdag):
    said = fastdag("draw").stdout
    assert [picture.splitlines()[0] for picture in said.split("\n\n")] == ["page: 2 nodes", "order: 1 nodes"]


@pytest.mark.parametrize("name", ["page", "/pages/{id}"])
def test_a_graph_is_named_by_its_id_or_by_a_path(fastdag, name):
    said = fastdag("draw", name).stdout
    assert "page: 2 nodes" in said
    assert "order" not in said


@pytest.mark.parametrize(("form", "first"), [("text", "page: 2 nodes"), ("mermaid", "flowchart"), ("dot", "digraph")])
def test_pictures_come_in_several_languages(fastdag, form, first):
    assert fastdag("draw", "page", "--format", form).stdout.startswith(first)


def test_a_picture_can_be_data(data):
    (page,) = data("draw", "page")
    assert page["graph"] == "page"
    assert [node["id"] for node in page["nodes"]] == ["a", "b"]
    assert page["edges"] == [{"parent": "a", "child": "b", "kind": "data", "optional": True}]


def test_a_name_that_is_none_is_answered_with_the_one_that_was_meant(fastdag):
    result = fastdag("draw", "pages")
    assert result.exit_code == 2
    assert "no route has the path or the graph 'pages'; did you mean 'page'?" in result.stderr


def test_a_language_that_is_none_is_refused_with_those_there_are(fastdag):
    result = fastdag("draw", "--format", "svg")
    assert result.exit_code == 2
    assert "mermaid" in result.stderr


def test_a_call_can_draw_its_run(fastdag):
    result = fastdag("call", "GET", "/more/1", "--draw", "mermaid")
    assert "flowchart" in result.stderr
    assert "ms ok" in result.stderr
    assert "COST" not in result.stderr


def test_where_no_graph_answers_there_is_nothing_to_draw(fastdag):
    assert "flowchart" not in fastdag("call", "GET", "/livez", "--draw", "mermaid").stderr
