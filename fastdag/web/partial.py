"""Saying that an answer is not whole, and what it lacks: the headers `Fastdag-Complete` and `Fastdag-Missing`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from fastdag.errors import StaleAnswer
from fastdag.outcome import FAILED, FALLBACK, OK, SKIPPED, Outcome

__all__ = ["lacking", "missing_header"]

# RFC 9651 §3.3.4 and §3.3.3; anything else is a display string (§3.3.8).
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*", re.ASCII).fullmatch
_PRINTABLE = re.compile(r"[ -~]*", re.ASCII).fullmatch

# What there is all the same: something else, or all but what was lost. (`stale` says that it is an old answer.)
_HOW = {FALLBACK: ";fallback", OK: ";partial"}


def lacking(outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, Outcome]]:
    """The nodes that leave an answer incomplete, in the order of declaration."""
    for node_id, outcome in outcomes.items():
        without_all = outcome.state == OK and outcome.reason is not None  # elements of its `each=` were lost
        without_any = outcome.state == SKIPPED and outcome.reason == "dependency"
        if without_all or without_any or outcome.state in (FAILED, FALLBACK):
            yield node_id, outcome


def missing_header(missing: Iterable[tuple[str, Outcome]]) -> str:
    """What is missing, as an RFC 9651 list: `reviews;reason=timeout;fallback, ads;reason=dependency`.

    A node that gave an old answer has `;fallback;stale`, one that lost elements `;partial`.
    """
    return ", ".join(_item(node_id, outcome) for node_id, outcome in missing)


def _item(node_id: str, outcome: Outcome) -> str:
    reason = f";reason={outcome.reason}" if outcome.reason else ""
    stale = ";stale" if isinstance(outcome.error, StaleAnswer) and outcome.ok else ""
    return _name(node_id) + reason + _HOW.get(outcome.state, "") + stale


def _name(node_id: str) -> str:
    if _TOKEN(node_id):
        return node_id
    if _PRINTABLE(node_id):
        return '"' + node_id.replace("\\", "\\\\").replace('"', '\\"') + '"'
    # The percent sign and the quote are escaped too, and RFC 9651 §4.1.11 wants lower-case hexadecimals.
    escaped = re.sub("%..", lambda found: found.group().lower(), quote(node_id, safe=" !#$&'()*+,/:;<=>?@[]^`{|}\\"))
    return f'%"{escaped}"'
