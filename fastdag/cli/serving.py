"""Serving an app: the command line of gunicorn, with the settings that a fastdag app wants."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["PROJECTS_OWN", "command"]

#: A project's own settings, which then hold alone.
PROJECTS_OWN = "gunicorn.conf.py"


def command(place: str, *, bind: str | None, workers: int | None, reload: bool) -> list[str]:
    """What to run. gunicorn imports the worker class in its master, so that it has to be patched from the start."""
    settings = PROJECTS_OWN if Path(PROJECTS_OWN).exists() else "python:fastdag.cli.settings"
    options = [
        *(["--bind", bind] if bind is not None else []),
        *(["--workers", str(workers)] if workers is not None else []),
        *(["--reload"] if reload else []),
    ]
    patched = [sys.executable, "-m", "gevent.monkey", "--module"]
    return [*patched, "gunicorn", "--config", settings, *options, place]
