"""Snapshots: text that a test compares with a file, and writes there when it is told to."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path

__all__ = ["check_snapshot"]


def check_snapshot(text: str, file: Path, *, update: bool) -> None:
    """Fails with the difference unless the file holds the text; with `update`, makes it so."""
    if update:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return
    if not file.exists():
        raise AssertionError(f"there is no {file} yet; run pytest --fastdag-update, look at it, and commit it")
    known = file.read_text(encoding="utf-8")
    if text != known:
        lines = unified_diff(known.splitlines(), text.splitlines(), str(file), "now", lineterm="")
        raise AssertionError("\n".join([*lines, "if this is meant, run pytest --fastdag-update"]))
