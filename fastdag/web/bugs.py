"""What is written to the log of an error that is a bug: all of it, but no secrets."""

from __future__ import annotations

import logging
from traceback import format_exception

from fastdag.observe.redact import one_line, redact

__all__ = ["log_bug"]

log = logging.getLogger("fastdag.web")


def log_bug(what: str, error: BaseException) -> None:
    """Log an error with its traceback. An exception's text may hold a token (FAULTS M15): it is masked."""
    log.error("%s\n%s", one_line(what), redact("".join(format_exception(error))).rstrip())
