"""Saying that an answer is not whole, and what it lacks: the headers `Fastdag-Complete` and `Fastdag-Missing`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from fastdag.outcome import FAILED, FALLBACK, SKIPPED, Outcome

__all__ = ["lacking", "missing_header"]

# RFC 9651 §3.3.4 and §3.3.3; anything else is a display string (§3.3.8).
_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*", re.ASCII).fullmatch
_PRINTABLE = re.compile(r"[ -~]*", re.ASCII).fullmatch


def lacking(outcomes: Mapping[str, Outcome]) -> Iterator[tuple[str, Outcome]]:
    """The nodes that leave an answer incomplete, in the order of declaration."""
    for node_id, outcome in outcomes.items():
        if outcome.state in (FAILED, FALLBACK) or (outcome.state == SKIPPED and outcome.reason == "dependency"):
            yield node_id, outcome


def missing_header(missing: Iterable[tuple[str, Outcome]]) -> str:
    """What is missing, as an RFC 9651 list: `reviews;reason=timeout;fallback, ads;reason=dependency`."""
    return ", ".join(_item(node_id, outcome) for node_id, outcome in missing)


def _item(node_id: str, outcome: Outcome) -> str:
    reason = f";reason={outcome.reason}" if outcome.reason else ""
    return _name(node_id) + reason + (";fallback" if outcome.state == FALLBACK else "")


def _name(node_id: str) -> str:
    if _TOKEN(node_id):
        return node_id
    if _PRINTABLE(node_id):
        return '"' + node_id.replace("\\", "\\\\").replace('"', '\\"') + '"'
    # The percent sign and the quote are escaped too, and RFC 9651 §4.1.11 wants lower-case hexadecimals.
    escaped = re.sub("%..", lambda found: found.group().lower(), quote(node_id, safe=" !#$&'()*+,/:;<=>?@[]^`{|}\\"))
    return f'%"{escaped}"'
