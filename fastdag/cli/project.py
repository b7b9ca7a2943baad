"""A new project: a service over two others, with tests, out of the files in `template`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fastdag.cli.trouble import Trouble

__all__ = ["create"]

# Kept under another name, so that no tool takes them for code of this package.
_SUFFIX = ".tmpl"
_NAME = "{{name}}"

_good = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", re.ASCII).fullmatch


def create(target: Path) -> list[Path]:
    """Write the project into a directory that is empty or not there yet; returns the files."""
    if not _good(target.name):
        raise Trouble(
            f"{target.name!r} is no name for a project", "take lower-case letters, digits and dashes: my-shop"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Trouble(f"{target} is there already, and not empty", "take another name, or move it away")
    written = []
    for parts, source in _files(files("fastdag.cli") / "template"):
        file = target.joinpath(*parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source.read_text().replace(_NAME, target.name))
        written.append(file)
    return written


def _files(folder: Traversable, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    for found in sorted(folder.iterdir(), key=lambda each: each.name):
        if found.is_dir():
            yield from _files(found, (*above, found.name))
        elif found.name.endswith(_SUFFIX):
            yield (*above, found.name.removesuffix(_SUFFIX)), found
