"""What goes wrong on the command line: always with what to do about it, never with a traceback."""

from __future__ import annotations

__all__ = ["Broken", "Trouble"]


class Trouble(Exception):
    """The command cannot do what it was asked for; `fix` says what would help."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n{self.fix}"


class Broken(Trouble):
    """The app was found, and cannot be imported."""
