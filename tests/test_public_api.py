"""What a user may rely on by name, and nothing that appeared by accident."""

import inspect

import pytest

import fastdag

NAMES = [
    "App",
    "Batch",
    "Breaker",
    "Bulkhead",
    "Cache",
    "Context",
    "Graph",
    "GraphError",
    "GraphResource",
    "Hedge",
    "Node",
    "NodeError",
    "Outcome",
    "Request",
    "Response",
    "Result",
    "Retry",
    "Upstream",
    "UpstreamError",
    "UpstreamTimeout",
    "UpstreamConnectError",
    "UpstreamProtocolError",
    "UpstreamStatusError",
    "UpstreamDecodeError",
    "UpstreamTooLarge",
    "UpstreamRejected",
    "add_child",
    "add_parent",
]


def test_the_public_names_are_those_of_the_design():
    assert sorted(fastdag.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_and_says_what_it_is(name):
    found = getattr(fastdag, name)
    assert (found.__doc__ or "").strip(), f"{name} has no docstring"
    assert len(found.__doc__.splitlines()) <= 25


def test_a_version_is_told():
    assert fastdag.__version__.count(".") == 2


def parameters(function):
    return {
        name: parameter.kind
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


@pytest.mark.parametrize(
    "function, positional",
    [
        (fastdag.Graph, ["id"]),
        (fastdag.Graph.run, ["self", "context"]),
        (fastdag.Graph.fetch, ["self", "id", "upstream", "path"]),
        (fastdag.Upstream, ["name", "base_url"]),
        (fastdag.GraphResource, ["graph"]),
        (fastdag.Node.add_parent, ["self", "parent", "argument_name"]),
        (fastdag.Node.add_child, ["self", "child", "argument_name"]),
        (fastdag.add_parent, ["id", "argument_name"]),
        (fastdag.add_child, ["id", "argument_name"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_everything_past_the_first_arguments_is_keyword_only(function, positional):
    named = inspect.Parameter.KEYWORD_ONLY
    assert [name for name, kind in parameters(function).items() if kind is not named] == positional


@pytest.mark.parametrize(
    "function, names",
    [
        (fastdag.Graph, "timeout merge on_conflict body"),
        (fastdag.Graph.run, "timeout outputs"),
        (
            fastdag.Upstream,
            "timeout attempt_timeout connect_timeout retry hedge breaker bulkhead cache coalesce verify cert",
        ),
        (
            fastdag.Upstream,
            "forward_headers headers auth max_response_bytes max_age idle transport",
        ),
        (fastdag.Request, "params headers json data"),
        (fastdag.Retry, "attempts backoff max_backoff budget budget_per_second"),
        (fastdag.Hedge, "after extra"),
        (fastdag.Breaker, "calls rate window consecutive open max_open"),
        (fastdag.Bulkhead, "limit queue wait"),
        (fastdag.Cache, "ttl stale_while_revalidate stale_if_error max_bytes max_entries store"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_the_options_of_the_design_are_there(function, names):
    assert set(names.split()) <= set(parameters(function))
