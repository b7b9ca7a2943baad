"""Where an upstream can be reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["Host"]

_EXAMPLE = "write it like http://catalog:8080 or unix:///run/catalog.sock"
_PORTS = {"http": 80, "https": 443}
_name = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?").fullmatch
_blank = re.compile(r"[\x00-\x20\x7f]").search
_prefix = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?").fullmatch


@dataclass(frozen=True, slots=True)
class Host:
    """One place an upstream can be reached at: `http://catalog:8080/base`, or `unix:///run/x.sock`."""

    url: str
    scheme: str
    name: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Host:
        """A base URL, taken apart; a `ValueError` says what it should look like."""
        try:
            parts = urlsplit(url)
            name, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ValueError(f"{url!r} is no base URL ({error}); {_EXAMPLE}") from None
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return cls(url, "unix", parts.path, 0)
        if parts.username is not None:
            raise ValueError("a base URL holds no credentials; give them with auth= or headers=")
        # `urlsplit` drops line breaks and tabs without a word.
        good = parts.scheme in _PORTS and _name(name) and _prefix(parts.path) and not _blank(url)
        if not good or port == 0 or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no base URL; {_EXAMPLE}")
        return cls(url, parts.scheme, name, port or _PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """What goes into the Host header (RFC 9110 §7.2): the port only where it is not the scheme's own."""
        if self.scheme == "unix":
            return "localhost"
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == _PORTS[self.scheme] else f"{name}:{self.port}"
