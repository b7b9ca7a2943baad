"""What may stand in a log: no secrets, and nothing that a terminal or a reader of lines would take for a command."""

from __future__ import annotations

import re

__all__ = ["MASK", "one_line", "redact", "wsgi_path"]

MASK = "***"

# Names of secrets, also at the end of longer ones (`csrf_token`); the short ones only as words of their own. Nothing
# in front of them is matched: a pattern that begins with "any letters" takes the square of a long text's length.
_SECRET = (
    r"(?:token|secret|password|passwd|passphrase|(?:api|access|private)[_-]?key|credentials?|signature|session[_-]?id"
    r"|authori[sz]ation|(?<![a-z0-9])(?:sid|sig|pwd|session|cookie|auth|otp|pass)|(?<![\w-])key)"
)
_INDEX = r"(?:(?:\[|%5b)\w{0,40}(?:\]|%5d))*"  # `token[]=`, and the like of it

# What is between quotes, up to the one that closes them or the end of the line. It comes after the first quote.
_QUOTED = r"(?<=\")(?:[^\"\\\r\n]|\\[^\r\n]?)+|(?<=')(?:[^'\\\r\n]|\\[^\r\n]?)+"

# Headers go on to the end of the line: a cookie has many parts, and those of some schemes are quoted.
_LINE = r"(?:[^\r\n\"']|(?<==)\"[^\"\r\n]*\")+"

# Each finds what introduces a secret, in group 1, and then the secret.
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"((?:authori[sz]ation[\"']?\s*[:=]|cookie[\"']?\s*:)\s*[\"']?)(?:{_QUOTED}|{_LINE})",
        rf"({_SECRET}{_INDEX}[\"']?\s*(?:=|:|%3d)\s*[\"']?)(?:{_QUOTED}|[^\s&;,\"'<>}})\]]+)",
        r"\b((?:bearer|basic|digest|negotiate)\s+)[a-z0-9._~+/=-]{6,}",
        r"(://)[^/\s:@]*:[^/\s@]+(?=@)",
        # A JSON Web Token. Whether there are three parts is asked once, not again at every `-eyJ` in the first.
        r"((?<![\w-])(?=[\w-]+\.[\w-]{5,}\.)(?:[\w-]*?-)??)eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*",
        # Keys of GitHub, AWS and Google, which are known by how they begin.
        r"()(?<![a-z0-9])(?:gh[a-z]_[a-z0-9]{10,}|github_pat_\w{10,}|(?-i:A[KS]IA[0-9A-Z]{12,}|AIza[\w-]{20,}))",
    )
)

# What every pattern needs one of. Most texts have none, and need not be looked through six times.
_SUSPICIOUS = re.compile(r"[:=%\s_]|eyj|(?-i:A[KS]IA|AIza)", re.IGNORECASE).search

# Line ends of every kind (also those that only `str.splitlines` knows), other control characters, and those that
# change the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def redact(text: str) -> str:
    """A text without what looks like a secret: values of `token=` and its like, credentials, signed tokens."""
    if not _SUSPICIOUS(text):
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def one_line(text: str, limit: int = 2000) -> str:
    """A text as one printable line of valid Unicode, redacted and not longer than that."""
    # Cut first, with a margin: what is thrown away need not be searched.
    text = redact(text[: 2 * limit])
    if not text.isprintable():  # as everything is not that is looked for here
        text = text.encode("utf-8", "backslashreplace").decode()
        text = _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
    return text if len(text) <= limit else f"{text[:limit]}…"


def wsgi_path(path: str) -> str:
    """A path as one line. WSGI hands on bytes as Latin-1 (PEP 3333)."""
    return one_line(path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "backslashreplace"))
