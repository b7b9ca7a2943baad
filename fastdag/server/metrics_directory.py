"""Hooks for gunicorn's configuration: one directory, in memory, where all workers of a master gather their metrics.

    from fastdag.server.metrics_directory import make_directory, remove_directory

    when_ready = make_directory
    on_exit = remove_directory

A configuration file is read again at SIGHUP, and the workers before and after share one directory. So nothing is
remembered here: its name says which master made it, and the environment, which workers inherit, says where it is.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["DIRECTORY", "make_directory", "remove_directory"]

#: What `fastdag.observe.metrics` reads; that module needs an extra, and this one has to do without.
DIRECTORY = "FASTDAG_METRICS_DIR"

_a_masters = re.compile(r"fastdag-metrics-\d+-").match
_MEMORY = "/dev/shm"


def make_directory(server: Any) -> None:
    """`when_ready` is called once for each master: after it has its sockets, so that one that cannot start leaves
    nothing behind, and before it forks. A directory that the environment names is taken as it is, unless another
    master made it, of which this one is the successor (SIGUSR2): that one removes its own when it ends."""
    given = Path(os.environ.get(DIRECTORY, "")).name
    if given and not _a_masters(given):
        return
    memory = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    made = tempfile.mkdtemp(prefix=_own(), dir=memory)
    os.chown(made, server.cfg.uid, server.cfg.gid)  # workers of a master that is root are somebody else
    os.environ[DIRECTORY] = made


def remove_directory(server: Any) -> None:
    """`on_exit` is called in the master, after its workers have ended."""
    given = Path(os.environ.get(DIRECTORY, ""))
    if given.name.startswith(_own()):
        shutil.rmtree(given, ignore_errors=True)


def _own() -> str:
    return f"fastdag-metrics-{os.getpid()}-"
