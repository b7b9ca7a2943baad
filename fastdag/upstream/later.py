"""When an upstream wants to be asked again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

__all__ = ["retry_after"]


def retry_after(headers: Mapping[str, str], wall: float | None = None) -> float | None:
    """The seconds that `Retry-After` names, as a number or as a date (RFC 9110 §10.2.3); `None` if it names none.

    `wall` is the calendar's time, in seconds since the epoch.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:10])  # more digits would be centuries
    try:
        date = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, date - (time.time() if wall is None else wall))
