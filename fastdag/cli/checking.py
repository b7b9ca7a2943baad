"""What is wrong with an app before it has served anybody: broken graphs, and what is probably not meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fastdag.cli.limits import Limits, contradictions, limits_of
from fastdag.cli.loading import load
from fastdag.cli.references import unprovided
from fastdag.cli.routes import routes_of
from fastdag.cli.trouble import Broken
from fastdag.context import Context
from fastdag.deadline import Seconds
from fastdag.errors import GraphError

__all__ = ["Checked", "Remark", "Report", "examine"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence, and the routes it is about."""

    text: str
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A route whose graph is sound."""

    methods: tuple[str, ...]
    path: str
    graph: str
    timeout: Seconds | None
    nodes: tuple[Limits, ...]


@dataclass(slots=True)
class Report:
    """All that was found. Problems keep an app from running; findings are probably not meant."""

    problems: list[Remark] = field(default_factory=list)
    findings: list[Remark] = field(default_factory=list)
    routes: list[Checked] = field(default_factory=list)


def examine(place: str | None) -> Report:
    """Import the app and look at every route."""
    report = Report()
    try:
        loaded = load(place, lenient=True)
    except Broken as error:
        report.problems.append(Remark(str(error)))
        return report
    problems = [
        (text, f"{','.join(route.methods)} {route.path}") for route in loaded.refused for text in route.problems
    ]
    findings: list[tuple[str, str]] = []
    for route in routes_of(loaded.app):
        try:
            plan = route.plan()
        except GraphError as error:  # it was changed after it was bound
            problems += [(text, route.name) for text in error.problems]
            continue
        problems += [(text, route.name) for text in unprovided(route, plan)]
        explained = plan.explain(Context())
        findings += [(text, route.name) for text in [*plan.lint(), *contradictions(route.name, plan, explained)]]
        nodes = tuple(limits_of(each) for each in explained)
        report.routes.append(Checked(route.methods, route.path, route.graph, plan.timeout, nodes))
    report.problems += _remarks(problems)
    report.findings += _remarks(findings)
    return report


def _remarks(found: Iterable[tuple[str, str]]) -> Iterator[Remark]:
    """Each sentence once, with all the routes it was said of."""
    routes: dict[str, list[str]] = {}
    for text, route in found:
        routes.setdefault(text, []).append(route)
    return (Remark(text, tuple(names)) for text, names in routes.items())
