"""One graph inside another, under a prefix and with other inputs."""

import pytest

from fastdag import Graph, GraphError, Node, add_parent


@pytest.fixture
def offer():
    """A subgraph that prices a product, which it does not have itself."""
    graph = Graph("offer")

    @graph.node
    def price(context, product):
        return product["cents"] / 100

    @graph.node
    def label(context, product, price):
        return f"{product['name']}: {price:.2f}"

    return graph


def test_the_same_subgraph_twice_with_different_inputs(offer):
    page = Graph("page")
    page.node(id="tea")(lambda context: {"name": "tea", "cents": 250})
    page.node(id="pot")(lambda context: {"name": "pot", "cents": 1900})
    page.include(offer, prefix="left_", bind={"product": "tea"})
    page.include(offer, prefix="right_", bind={"product": "pot"})
    result = page.run()
    assert result.merged == {"left_label": "tea: 2.50", "right_label": "pot: 19.00"}
    assert list(result.outcomes) == ["tea", "pot", "left_price", "left_label", "right_price", "right_label"]


def test_without_a_binding_names_mean_the_prefixed_ids(offer):
    page = Graph("page")
    page.node(id="x_product")(lambda context: {"name": "tea", "cents": 250})
    page.include(offer, prefix="x_")
    assert page.run().merged == {"x_label": "tea: 2.50"}


def test_a_bound_name_replaces_the_subgraphs_own_node():
    inner = Graph("inner")
    inner.node(id="product")(lambda context: "its own")
    inner.node(id="shout")(lambda context, product: product.upper())
    page = Graph("page")
    page.node(id="mine")(lambda context: "mine")
    page.include(inner, bind={"product": "mine"})
    assert page.run().node_data == {"mine": "mine", "shout": "MINE"}


def test_class_nodes_edges_roots_fallbacks_and_order_come_along():
    class Root(Node):
        def load(self, context):
            return 1

    @add_parent("Root", "one")
    class Child(Node):
        def load(self, context, one, two):
            return one + two

    inner = Graph("inner")
    spare = Node("spare")
    root = Root()
    two = Node("two", fallback=spare, after="Root")
    two.add_child(child := Child(), "two")
    inner.add(child)
    inner.add_root(root)
    inner.add_root(two)
    page = Graph("page")
    page.include(inner, prefix="i_")
    two.load = lambda context: 1 / 0
    spare.load = lambda context: 41
    assert page.run().node_data == {"i_Root": 1, "i_spare": 41, "i_two": 41, "i_Child": 42}


def test_a_subgraph_in_a_subgraph():
    inmost = Graph("inmost")
    inmost.node(id="a")(lambda context, seed: seed + 1)
    middle = Graph("middle")
    middle.include(inmost, prefix="m_", bind={"seed": "start"})
    page = Graph("page")
    page.node(id="begin")(lambda context: 1)
    page.include(middle, prefix="p_", bind={"start": "begin"})
    assert page.run().node_data == {"begin": 1, "p_m_a": 2}


def test_changing_the_subgraph_changes_the_graph(offer):
    page = Graph("page")
    page.node(id="product")(lambda context: {"name": "tea", "cents": 250})
    page.include(offer)
    page.run()

    @offer.node(output="sale")
    def sale(context, price):
        return price / 2

    assert page.run().merged == {"label": "tea: 2.50", "sale": 1.25}
    offer["label"].output = False
    assert page.run().merged == {"sale": 1.25}


def test_what_nothing_binds_is_refused_with_the_outer_name(offer):
    page = Graph("page")
    page.include(offer, prefix="left_")
    with pytest.raises(GraphError, match=r"page\.left_price wants 'left_product', which nothing provides"):
        page.compile()


def test_a_binding_that_binds_nothing_is_refused_with_a_hint(offer):
    page = Graph("page")
    page.node(id="tea")(lambda context: {"name": "tea", "cents": 250})
    page.include(offer, bind={"produkt": "tea"})
    with pytest.raises(
        GraphError, match="page: bind= names 'produkt', which offer does not use; did you mean 'product'"
    ):
        page.compile()


def test_ids_that_collide_are_refused(offer):
    page = Graph("page")
    page.node(id="product")(lambda context: {})
    page.node(id="price")(lambda context: 1)
    page.include(offer)
    with pytest.raises(GraphError, match="two nodes have the id 'price'"):
        page.compile()


def test_a_graph_cannot_include_itself_even_by_a_detour(offer):
    page = Graph("page")
    page.include(offer)
    for graph, other in ((page, page), (offer, page)):
        with pytest.raises(ValueError, match="cannot include itself"):
            graph.include(other)


@pytest.mark.parametrize(
    ("other", "options", "message"),
    [
        ("offer", {}, "include takes a Graph"),
        (Graph("other"), {"prefix": 1}, "prefix= takes a string"),
        (Graph("other"), {"bind": ["a"]}, "bind= maps names"),
        (Graph("other"), {"bind": {"a": 1}}, "bind= maps names"),
    ],
)
def test_misuse_is_refused(other, options, message):
    with pytest.raises(TypeError, match=message):
        Graph("page").include(other, **options)


def test_a_fallback_node_can_be_bound_as_well():
    inner = Graph("inner")
    inner.node(id="spare")(lambda context: "inner")
    inner.node(id="live", fallback=inner["spare"], output="live")(lambda context: 1 / 0)
    page = Graph("page")
    page.node(id="mine", output=False)(lambda context: "outer")
    page.include(inner, prefix="p_", bind={"spare": "mine"})
    assert page.run().merged == {"live": "outer"}
    assert list(page.run().outcomes) == ["mine", "p_live"]


def test_a_fallback_node_bound_to_nothing_is_refused():
    inner = Graph("inner")
    inner.node(id="spare")(lambda context: "inner")
    inner.node(id="live", fallback=inner["spare"])(lambda context: 1 / 0)
    page = Graph("page")
    page.include(inner, bind={"spare": "mine"})
    with pytest.raises(GraphError, match="bind= gives 'mine' for 'spare', but no such node was added"):
        page.compile()


def test_what_is_wrong_inside_a_subgraph_is_told_once_however_deep():
    inner, middle, page = Graph("inner"), Graph("middle"), Graph("page")
    inner.add_root(Node("a"))
    inner.add(Node("a"))
    middle.include(inner)
    page.include(middle, prefix="left_")
    page.include(middle, prefix="right_")
    with pytest.raises(GraphError) as refused:
        page.compile()
    assert refused.value.problems == ("inner: two nodes have the id 'a'; give one of them another",)
