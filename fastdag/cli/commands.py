"""The commands: each finds what it is about, makes data of it, and shows that."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from fastdag.cli import calling, checking, explaining, project, requesting, serving, tables
from fastdag.cli.loading import load
from fastdag.cli.routes import graphs_of, routes_of
from fastdag.cli.screen import ASIDE, show, show_json, show_raw, speaking
from fastdag.cli.trouble import Trouble
from fastdag.cli.waterfall import head_of, waterfall
from fastdag.errors import GraphError
from fastdag.observe import draw as drawing

__all__ = ["commands"]


class _Command(TyperCommand):
    """Keeps standard output for the answer, and says what is in the way in place of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        with speaking():
            try:
                return super().invoke(ctx)
            except GraphError as error:  # a graph that was changed after it was bound: `add_graph` refuses broken ones
                show(str(error), "fastdag check lists all that is wrong", to=ASIDE)
                raise typer.Exit(2) from error
            except Trouble as trouble:
                show(str(trouble), to=ASIDE)
                raise typer.Exit(2) from trouble


commands = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="HTTP aggregation services as graphs: look at one, try it, serve it, begin a new one.",
)

Form = Literal["text", "mermaid", "dot"]
Place = Annotated[
    str | None,
    typer.Option(
        "--app",
        "-a",
        envvar="FASTDAG_APP",
        metavar="MODULE:ATTRIBUTE",
        help="Where the app is; without it, app.main:app, app:app or main:app.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="As data, for programs.")]
Method = Annotated[str, typer.Argument(metavar="METHOD", help="Such as GET.")]
Target = Annotated[str, typer.Argument(metavar="PATH", help="With a query, if there is one: '/search?q=lamp'.")]
Headers = Annotated[list[str] | None, typer.Option("--header", "-H", help="'Name: value'; again for more.")]
Data = Annotated[str | None, typer.Option("--data", "-d", help="The body, JSON unless a header says else; or @file.")]


@commands.command(cls=_Command)
def check(
    app: Place = None,
    strict: Annotated[bool, typer.Option("--strict", help="Findings count as problems.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what is wrong.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compile every route: all problems, findings, and how long each node may take. Exits with 1 if there are any."""
    report = checking.examine(app)
    if as_json:
        show_json(report)
    else:
        show(*tables.of_report(report, quiet=quiet))
    if report.problems or (strict and report.findings):
        raise typer.Exit(1)


@commands.command(cls=_Command)
def routes(app: Place = None, as_json: AsJson = False) -> None:
    """List the routes that are graphs."""
    found = list(routes_of(load(app).app))
    if as_json:
        show_json([route.describe() for route in found])
    else:
        show(tables.of_routes(found))


@commands.command(cls=_Command)
def draw(
    name: Annotated[str | None, typer.Argument(metavar="GRAPH", help="Its id, or a route's path.")] = None,
    form: Annotated[Form, typer.Option("--format", "-f", help="What to draw it in.")] = "text",
    app: Place = None,
    as_json: AsJson = False,
) -> None:
    """Draw graphs: who waits for whom."""
    found = graphs_of(load(app).app, name)
    if as_json:
        show_json([drawing.describe(graph.compile()) for graph in found])
    else:
        show_raw("\n\n".join(drawing.draw(graph.compile(), form) for graph in found))


@commands.command(cls=_Command)
def call(
    method: Method,
    target: Target,
    header: Headers = None,
    data: Data = None,
    form: Annotated[Form | None, typer.Option("--draw", help="Draw the run in place of the waterfall.")] = None,
    app: Place = None,
    as_json: AsJson = False,
) -> None:
    """Answer one request in this process: the body, and on stderr when each node ran. Exits with 1 from 400 on."""
    request = requesting.asked(method, target, header or (), data)
    called = calling.call(load(app).app, request)
    if as_json:
        show_json(called.describe())
    else:
        show(*head_of(called.answer), "", to=ASIDE)
        content = called.answer.content()
        (show_raw if isinstance(content, str) else show_json)(content)
        show("", *(waterfall(called) if form is None else [called.drawn(form)]), to=ASIDE)
    if called.answer.status >= 400:
        raise typer.Exit(1)


@commands.command(cls=_Command)
def explain(
    method: Method,
    target: Target,
    header: Headers = None,
    data: Data = None,
    app: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show what a request would lead to, and ask nobody: which calls, in which order, with which limits and keys."""
    request = requesting.asked(method, target, header or (), data)
    route, explained = explaining.explain(load(app).app, request)
    if as_json:
        show_json({**route.describe(), "nodes": explained})
    else:
        show(*tables.of_explained(route, explained))


@commands.command(cls=_Command)
def serve(
    app: Place = None,
    bind: Annotated[str | None, typer.Option("--bind", "-b", metavar="ADDRESS", help="Such as 0.0.0.0:8000.")] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Processes; one for each core.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when a file changes; to develop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the command that would serve.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="That command as data; implies --dry-run.")] = False,
) -> None:
    """Serve the app with gunicorn: by the project's gunicorn.conf.py, or else by settings made for fastdag."""
    command = serving.command(load(app).place, bind=bind, workers=workers, reload=reload)
    if as_json:
        show_json({"command": command})
    elif dry_run:
        show_raw(shlex.join(command))
    else:
        os.execv(sys.executable, command)


@commands.command(cls=_Command)
def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="The directory to make; its name is the project's.")],
    as_json: AsJson = False,
) -> None:
    """Write a small project that runs, with tests that pass."""
    written = project.create(name)
    if as_json:
        show_json({"project": name.name, "files": [str(file.relative_to(name)) for file in written]})
    else:
        show(f"{name} is there. To try it:", "", f"    cd {shlex.quote(str(name))}", "    make test", "    make serve")
