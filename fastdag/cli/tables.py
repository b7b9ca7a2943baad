"""What the commands found, as lines and tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from fastdag.cli.checking import Checked, Remark, Report
from fastdag.cli.limits import Limits, limits_of
from fastdag.cli.routes import Route
from fastdag.cli.screen import Row, seconds, table
from fastdag.explain import Explained

__all__ = ["of_explained", "of_report", "of_routes"]


def of_routes(routes: Iterable[Route]) -> RenderableType:
    rows = [
        (",".join(route.methods), route.path, route.graph, str(len(route.plan())), seconds(route.resource.limit))
        for route in routes
    ]
    return table(("METHODS", "PATH", "GRAPH", "NODES", "TIMEOUT"), rows)


def of_report(report: Report, *, quiet: bool) -> Iterator[RenderableType]:
    """The routes with their limits, then all that is wrong, then the sum of it."""
    for route in () if quiet else report.routes:
        yield _heading(route)
        yield table(("NODE", "AT MOST", "UPSTREAM", "ATTEMPTS"), map(_limits, route.nodes), indent=2)
    yield from (_remark("problem", "bold red", found) for found in report.problems)
    yield from (_remark("finding", "yellow", found) for found in report.findings)
    counts = ((len(report.routes), "route"), (len(report.problems), "problem"), (len(report.findings), "finding"))
    yield ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in counts)


def _heading(route: Checked) -> Text:
    limit = seconds(route.timeout) or "no time limit"
    return Text.assemble((f"{','.join(route.methods)} {route.path}", "bold"), f"  {route.graph}, {limit}")


def _limits(found: Limits) -> Row:
    return (found.node, seconds(found.timeout), found.upstream or "", _attempts(found))


def _attempts(found: Limits) -> str:
    if found.attempts is None:
        return ""
    return f"{found.attempts}, each {seconds(found.attempt)}" if found.attempt is not None else str(found.attempts)


def _remark(kind: str, style: str, found: Remark) -> Text:
    routes = f"  ({', '.join(found.routes)})" if found.routes else ""
    return Text.assemble((kind, style), f" {found.text}", (routes, "dim"))


def of_explained(route: Route, explained: Sequence[Explained]) -> Iterator[RenderableType]:
    """One line for each node, in the order in which they could run; a blank stands for the wave above."""
    limit = seconds(route.resource.limit) or "no time limit"
    yield Text.assemble((route.name, "bold"), f"  {route.graph}, {limit}")
    waves = [each.wave for each in explained]
    rows = [
        ("" if place and waves[place - 1] == each.wave else str(each.wave), *_explained(each))
        for place, each in enumerate(explained)
    ]
    names = ("WAVE", "NODE", "CALL", "AFTER", "AT MOST", "ATTEMPTS", "IF", "CACHE KEY")
    yield table(names, rows)


def _explained(each: Explained) -> Row:
    call, limits = each.call, limits_of(each)
    return (
        each.id,
        Text(call["problem"], "red") if "problem" in call else _call(call),
        ", ".join(each.waits_for),
        seconds(limits.timeout),
        _attempts(limits),
        "; ".join(filter(None, (each.condition, "may fail" if each.optional else ""))),
        call.get("cache_key") or "",
    )


def _call(call: Any) -> str:
    if "upstream" not in call:
        return ""
    target = call["target"]
    if callable(target):
        return f"{call['upstream']}: as {getattr(target, '__name__', target)}() says"
    params = call.get("params")
    pairs = params.items() if hasattr(params, "items") else params or ()
    query = "&".join(f"{name}={value}" for name, value in pairs)
    often = f"  for each of {call['each']}" if "each" in call else ""
    return f"{call['upstream']}: {call['method']} {target}{f'?{query}' if query else ''}{often}"
