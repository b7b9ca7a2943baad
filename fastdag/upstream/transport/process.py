"""Which process this is, without asking the kernel at every call: it is asked again after each fork."""

from __future__ import annotations

import os

__all__ = ["PROCESS"]


class _Process:
    __slots__ = ("pid",)

    def __init__(self) -> None:
        self.look()

    def look(self) -> None:
        self.pid = os.getpid()


PROCESS = _Process()
os.register_at_fork(after_in_child=PROCESS.look)
