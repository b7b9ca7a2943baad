"""Brown-out: under pressure optional nodes are dropped, those that matter least first, and required ones never."""

import pytest

from fastdag import Graph, GraphError
from fastdag.pressure import pressure


@pytest.fixture
def pressed():
    """Sets the pressure of this loop for the length of a test."""
    reading = pressure()

    def press(fill):
        reading.fill = fill

    yield press
    reading.fill = 0.0


@pytest.fixture
def page():
    graph = Graph("page")
    graph.node(id="product")(lambda context: 1)
    graph.node(id="ads", optional=True, criticality=0)(lambda context: 2)
    graph.node(id="reviews", optional=True)(lambda context, product: 3)
    graph.node(id="stars", optional=True)(lambda context, reviews: 4)
    graph.node(id="price", optional=True, criticality=1)(lambda context: 5)
    return graph


def ended(graph):
    return {id: (outcome.state, outcome.reason) for id, outcome in graph.run().outcomes.items()}


OK = ("ok", None)
SHED = ("failed", "shed")


def test_without_pressure_everything_runs(page):
    assert set(ended(page).values()) == {OK}


def test_a_little_pressure_drops_what_matters_least(page, pressed):
    pressed(0.6)
    assert ended(page) == {"product": OK, "ads": SHED, "reviews": OK, "stars": OK, "price": OK}


def test_a_full_house_drops_all_but_what_is_required_or_marked_as_critical(page, pressed):
    pressed(1.0)
    assert ended(page) == {
        "product": OK,
        "ads": SHED,
        "reviews": SHED,
        "stars": ("skipped", "dependency"),
        "price": OK,
    }


def test_a_run_that_was_cut_is_incomplete_and_says_why(page, pressed):
    pressed(1.0)
    told = []
    page.on("node.shed", lambda name, fields: told.append(fields["node"]))
    result = page.run()
    assert not result.complete
    assert result.merged == {"price": 5}
    assert told == ["ads", "reviews", "stars"]


def test_a_fallback_answers_for_a_dropped_node(page, pressed):
    page["ads"].fallback = "house ads"
    pressed(1.0)
    assert page.run().merged["ads"] == "house ads"


def test_what_needs_a_dropped_node_is_skipped(page, pressed):
    page["stars"].criticality = 1
    pressed(1.0)
    assert ended(page)["stars"] == ("skipped", "dependency")


@pytest.mark.parametrize("criticality", [-0.1, 1.1, "low", True, None])
def test_criticality_is_a_number_from_0_to_1(page, criticality):
    page["ads"].criticality = criticality
    with pytest.raises(GraphError, match="criticality= takes a number from 0"):
        page.compile()


def test_criticality_of_a_required_node_is_a_finding(page):
    page["product"].criticality = 0
    assert any(finding.startswith("page.product has criticality=") for finding in page.compile().lint())
