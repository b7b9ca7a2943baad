"""The reference pages tell of every setting, event and error there is, of no other, and with the right defaults."""

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import fastdag
from fastdag import App, Batch, Graph, GraphResource, Node, Upstream, errors, testing
from fastdag.events import EVENTS
from fastdag.node import NodeOptions
from fastdag.nodes.each import EachNode
from fastdag.nodes.fetch import FetchNode
from fastdag.observe.log import Log
from fastdag.observe.metrics import Metrics
from fastdag.observe.timeline import Timeline
from fastdag.observe.trace import Tracing
from fastdag.outcome import REASONS
from fastdag.server.options import Options as WorkerOptions
from fastdag.signature import REQUIRED
from fastdag.upstream.options import POLICIES, UNSET, CallOptions
from fastdag.upstream.transport.options import Options as TransportOptions
from fastdag.web.panel import Panel
from fastdag.web.resource import RouteOptions

DOCS = Path(__file__).parents[1] / "docs"

#: A default that is no value, and is told in words.
WORDS = object()

NAMES = {**vars(fastdag), "Any": Any, "range": range}


def rows(page: str) -> Iterator[tuple[str, list[str]]]:
    """The rows of a page's tables, heads apart, each with the heading that it stands under."""
    heading = ""
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| `"):
            yield heading, [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def documented() -> dict[str, dict[str, Any]]:
    """The settings page: for each section its options with their defaults."""
    sections: dict[str, dict[str, Any]] = {}
    for heading, (option, default, *_) in rows("settings.md"):
        value = eval(default.strip("`"), NAMES) if default.startswith("`") else WORDS
        sections.setdefault(heading, {})[option.strip("`")] = value
    return sections


def parameters(function: Any) -> dict[str, Any]:
    """The named options of a function with their defaults."""
    found = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in found if p.default is not p.empty}


def fields(options: Any) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(options)}


def upstream_options() -> dict[str, Any]:
    effective = {**fields(TransportOptions), **Upstream("name", "http://name").stack.policies}
    return {
        name: effective[name] if default is UNSET else default
        for name, default in parameters(Upstream.__init__).items()
    }


def route_options() -> dict[str, Any]:
    found = parameters(GraphResource.__init__)
    return {"methods": found["methods"], **{name: found[name] for name in get_type_hints(RouteOptions)}}


def actual() -> Mapping[str, dict[str, Any]]:
    of_a_call = dict.fromkeys(POLICIES, WORDS)
    composed = parameters(Upstream.compose)
    return {
        "Graph": parameters(Graph.__init__),
        "Graph.run": parameters(Graph.run) | {"timeout": WORDS},
        "Graph.include": parameters(Graph.include),
        "Node": {name: getattr(Node, name) for name in get_type_hints(NodeOptions)},
        "FetchNode": parameters(FetchNode.__init__) | of_a_call,
        "EachNode": parameters(EachNode.__init__) | {"each": WORDS},
        "Batch": parameters(Batch.__init__),
        "Upstream": upstream_options(),
        "Calls": {name: composed.get(name, WORDS) for name in get_type_hints(CallOptions)},
        **{kind.__name__: fields(kind) for kind in POLICIES.values() if fields(kind)},
        "Transport": fields(TransportOptions),
        **{kind.__name__: parameters(kind.__init__) for kind in (Log, Metrics, Timeline, Tracing, Panel)},
        "App": parameters(App.__init__),
        "App.add_graph": route_options(),
    }


def test_the_settings_page_has_a_section_for_everything_that_has_settings():
    assert documented().keys() == actual().keys()


@pytest.mark.parametrize("section", actual())
def test_settings_are_documented_with_their_defaults(section):
    expected = {name: WORDS if value is REQUIRED else value for name, value in actual()[section].items()}
    assert documented()[section] == expected


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_has_a_page_that_names_all_its_options(name):
    page = (DOCS / "policies" / f"{name}.md").read_text()
    assert [option for option in fields(POLICIES[name]) if f"`{option}`" not in page] == []


def test_the_workers_options_are_documented():
    page = (DOCS / "deploying-worker.md").read_text()
    assert [option for option in WorkerOptions.names() if f"`{option}`" not in page] == []


def test_events_are_documented_with_their_fields():
    told = {event.strip("`"): tuple(re.findall(r"`(\w+)`", names)) for _, (event, names, _) in rows("events.md")}
    assert told == EVENTS


def test_errors_are_documented_and_stand_in_the_tree_that_is_shown():
    page = (DOCS / "errors.md").read_text()
    kinds = [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]
    assert [name for name in kinds if f"\n## {name}\n" not in page] == []
    shown = re.findall(r"^([│├└─ ]*)(\w+)", page.split("```")[1], re.MULTILINE)
    parents: list[str] = []
    for depth, name in ((len(lines) // 4, name) for lines, name in shown):
        parents[depth:] = [name]
        assert depth == 0 or issubclass(getattr(errors, name), getattr(errors, parents[depth - 1]))
    assert sorted(name for _, name in shown) == sorted(kinds)


def test_reasons_are_documented():
    found = {reason.strip("`") for heading, (reason, *_) in rows("errors.md") if heading == "Reasons"}
    assert found == REASONS


PUBLIC = [f"fastdag.{name}" for name in fastdag.__all__] + [
    f"fastdag.testing.{name}" for name in testing.__all__ if callable(getattr(testing, name))
]


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_is_in_the_api_reference(name):
    assert f"::: {name}\n" in (DOCS / "api.md").read_text()


def test_every_page_is_in_the_menu():
    _, _, menu = (DOCS.parent / "mkdocs.yml").read_text().partition("\nnav:\n")
    assert {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} == set(re.findall(r"[\w/-]+\.md", menu))
