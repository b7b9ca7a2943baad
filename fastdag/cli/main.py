"""Where the command line begins: with a patched standard library, and with the extra that it needs.

Python imports the package before any module in it, so nothing here can be early enough to patch: `ssl` would be
imported already. So the first call replaces this process by the same command, begun by gevent's own runner.
"""

from __future__ import annotations

import os
import sys

from fastdag.concurrency import is_patched

__all__ = ["main"]

try:
    from fastdag.cli.commands import commands
except ModuleNotFoundError as missing:
    if missing.name not in ("typer", "rich"):
        raise
    commands = None  # type: ignore[assignment]


def main() -> None:
    """The command `fastdag`."""
    if commands is None:
        sys.exit("fastdag's command line needs Typer and Rich; install them with: pip install 'fastdag[cli]'")
    if not is_patched():
        again = [sys.executable, "-m", "gevent.monkey", "--module", "fastdag", *sys.argv[1:]]
        os.execv(sys.executable, again)
    commands(prog_name="fastdag")
