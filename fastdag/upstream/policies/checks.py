"""Options that make no sense are refused where they are written, with the name and what would make sense."""

from __future__ import annotations

from typing import Any

from fastdag.deadline import check_seconds

__all__ = ["check_count", "check_positive", "check_share"]


def check_count(name: str, value: Any, *, least: int = 1) -> None:
    """A whole number, from `least` on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} takes a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} takes a number from {least} on, not {value!r}")


def check_share(name: str, value: Any) -> None:
    """A share of something, from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} takes a share from 0 to 1, not {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name} takes a share from 0 to 1, not {value!r}")


def check_positive(name: str, value: Any, *, zero: bool = False) -> None:
    """Seconds, or another finite positive number; not `None`."""
    if value is None:
        raise TypeError(f"{name} takes a number, not None")
    check_seconds(name, value, zero=zero)
