"""`fastdag routes`: what there is."""

APP = """
page, order = Graph("page"), Graph("order", timeout=5)
page.node(id="a")(lambda context: {})
order.node(id="b")(lambda context: {})
order.node(id="c")(lambda context, b: {})
app.add_graph("/pages/{id}", page, timeout=1.5)
app.add_graph("/orders", order, methods=("POST", "PUT"))
app.add_graph("/orders", page, methods=("GET",))
"""


def test_routes_come_as_they_were_added_with_what_answers_them(write, data):
    write(APP)
    assert data("routes") == [
        {"methods": ["GET"], "path": "/pages/{id}", "graph": "page", "nodes": 1, "timeout": 1.5},
        {"methods": ["POST", "PUT"], "path": "/orders", "graph": "order", "nodes": 2, "timeout": 5.0},
        {"methods": ["GET"], "path": "/orders", "graph": "page", "nodes": 1, "timeout": 2.0},
    ]


def test_head_is_listed_only_where_get_is_not(write, data):
    write(APP + "app.add_graph('/head', page, methods=('HEAD',))\n")
    assert data("routes")[-1]["methods"] == ["HEAD"]


def test_for_people_it_is_a_table(write, fastdag):
    write(APP)
    lines = [line.split() for line in fastdag("routes").stdout.splitlines()]
    assert lines[0] == ["METHODS", "PATH", "GRAPH", "NODES", "TIMEOUT"]
    assert lines[2] == ["POST,PUT", "/orders", "order", "2", "5", "s"]


def test_a_graph_that_was_broken_after_it_was_bound_is_told_without_a_traceback(write, fastdag):
    write(APP + "page.node(id='late')(lambda context, nothing: 1)\n")
    result = fastdag("routes")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "page.late wants 'nothing', which nothing provides",
        "fastdag check lists all that is wrong",
    ]


def test_long_paths_are_neither_wrapped_nor_cut_where_there_is_no_terminal(write, fastdag):
    path = "/" + "segment/" * 30
    write(APP + f"app.add_graph({path!r}, page)\n")
    assert path in fastdag("routes").stdout
