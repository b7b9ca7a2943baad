"""Templates: what references read, what becomes of it, and what is refused when it is declared."""

from collections import namedtuple
from dataclasses import dataclass

import msgspec
import pytest

from fastdag.context import Context
from fastdag.errors import InvalidValue, MissingValue
from fastdag.nodes.reference import ABSENT, Templates, read
from fastdag.signature import REQUIRED


class Struct(msgspec.Struct):
    seller: str


@dataclass
class Plain:
    seller: str


Pair = namedtuple("Pair", "seller other")


class Lazy:
    """Has keys, but is no Mapping, as the query of some frameworks."""

    def __getitem__(self, key):
        return {"seller": "s"}[key]


@pytest.mark.parametrize("value", [{"seller": "s"}, Struct("s"), Plain("s"), Pair("s", 0), Lazy()])
def test_reads_keys_then_attributes(value):
    assert read(value, "seller") == "s"
    assert read(value, "nothing") is ABSENT


def test_reads_indices_of_lists_only():
    assert read(["a", "b"], "1") == "b"
    assert read(("a",), "1") is ABSENT
    assert read("ab", "1") is ABSENT
    assert read({"1": "x"}, "1") == "x"


def test_methods_and_private_names_are_no_data():
    assert read({}, "items") is ABSENT
    assert read(Lazy(), "__class__") is ABSENT
    assert read("text", "upper") is ABSENT
    assert read({"_id": 7}, "_id") == 7


def path(text, context=None, **parents):
    templates = Templates("n")
    found = templates.path(text)
    assert templates.problems == []
    return found(context, parents)


def value(template, context=None, null=False, **parents):
    templates = Templates("n")
    found = templates.value("params", template, null=null)
    assert templates.problems == []
    return template if found is None else found(context, parents)


@pytest.mark.parametrize(
    "context",
    [
        {"path": {"id": "a b"}, "headers": {"X-Tenant": "t"}},
        Context(path={"id": "a b"}, headers={"x-tenant": "t"}),
        type("Any", (), {"path": Plain, "headers": {"x-tenant": "t"}})(),
    ],
)
def test_any_context_works(context):
    if context.__class__.__name__ == "Any":
        context.path = {"id": "a b"}
    assert path("/products/{path.id}", context) == "/products/a%20b"
    assert value("{headers.X-Tenant}", context) == "t"


def test_path_encodes_each_value_as_one_segment():
    assert path("/a/{p.x}/ü/{p.y}-{p.0?}".replace("?", ""), p={"x": "../b?c#d", "y": 1, "0": True}) == (
        "/a/..%2Fb%3Fc%23d/%C3%BC/1-true"
    )
    assert path("/fixed") == "/fixed"


@pytest.mark.parametrize("bad", ["", ".", "..", "\r\n", "\0", ["a"], {"a": 1}])
def test_path_refuses_a_value_that_is_no_segment(bad):
    with pytest.raises(InvalidValue):
        path("/a/{p}", p=bad)


@pytest.mark.parametrize(
    "parents", [{}, {"p": None}, {"p": {}}, {"p": {"a": None}}, {"p": {"a": {"c": 1}}}, {"p": "x"}]
)
def test_absent_reference_is_missing_and_named(parents):
    with pytest.raises(MissingValue, match=r"\{p\.a\.b\} has no value"):
        path("/a/{p.a.b}", **parents)


def test_whole_reference_keeps_its_type_and_embedded_ones_become_text():
    template = {"id": "{p.id}", "text": "{p.id}/{p.flag}", "fixed": 7, "list": ["{p.tags}", {"deep": "{p.id}"}]}
    assert value(template, p={"id": 4, "flag": True, "tags": ["a"]}) == {
        "id": 4,
        "text": "4/true",
        "fixed": 7,
        "list": [["a"], {"deep": 4}],
    }


def test_absent_optional_reference_is_none_also_inside_a_text():
    assert value({"a": "{p.x?}", "b": "x{p.x?}"}, p={}) == {"a": None, "b": None}


def test_null_counts_in_json_only():
    assert value("{p.x}", null=True, p={"x": None}) is None
    with pytest.raises(MissingValue):
        value("{p.x}", p={"x": None})


def test_braces_are_written_twice():
    assert value("{{{p}}}", p=1) == "{1}"
    assert value("{{}}") == "{}"


def test_template_without_references_is_its_own_value():
    templates = Templates("n")
    assert templates.value("json", {"a": ["b", 1, None]}) is None
    assert templates.value("json", 7) is None


def test_body_and_state_and_item_are_sources():
    assert value("{body}", {"body": b"\x00raw"}) == b"\x00raw"
    assert value("{state.user.id}", Context(state={"user": {"id": 3}})) == 3
    assert value("{item.id}-{index}", item={"id": 3}, index=0) == "3-0"


def test_references_are_parameters():
    templates = Templates("n")
    templates.value("params", ["{a.x}", "{a.y?}", "{b.x?}", "{path.id}", "{item}"])
    found = {param.name: param for param in templates.parameters().params}
    assert list(found) == ["a", "b", "item"]
    assert (found["a"].default, found["a"].implies) == (REQUIRED, "a")
    assert (found["b"].default, found["b"].implies) == (ABSENT, "b")
    assert found["item"].implies is None
    assert not any(param.positional for param in found.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("products", "n: path 'products': a path starts with '/'"),
        ("{path.id}", "n: path '{path.id}': a path starts with '/'"),
        ("", "n: path '': a path starts with '/'"),
        ("/a/../b", "n: path '/a/../b': '/a/../b' holds a dot segment"),
        ("/a?b={query.b}", "n: path '/a?b={query.b}': holds a query; give it with params="),
        ("/a#b", "n: path '/a#b': a path holds no fragment"),
        ("/a/{path.id?}", "n: path '/a/{path.id?}': no part of a path is optional; drop the '?'"),
        ("/a/{", "n: path '/a/{': has a single '{'; write '{{' for a brace"),
        ("/a}", "n: path '/a}': has a single '}'; write '}}' for a brace"),
        ("/{}", "n: path '/{}': {} is no reference; write it like {path.id}"),
        ("/{a-b}", "n: path '/{a-b}': {a-b} is no reference"),
        ("/{a..b}", "n: path '/{a..b}': {a..b} is no reference"),
        ("/{context.x}", "n: path '/{context.x}': {context.x} does not begin with one of body, headers"),
    ],
)
def test_bad_path_is_refused_with_the_node_the_template_and_the_fix(text, message):
    templates = Templates("n")
    templates.path(text)
    assert len(templates.problems) == 1
    assert templates.problems[0].startswith(message)
