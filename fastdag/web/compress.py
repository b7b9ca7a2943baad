"""Content codings (RFC 9110 §8.4): gzip, and zstd and br where their packages are installed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache

__all__ = ["CODINGS", "MIN_BYTES", "chosen", "compress"]

#: Below this an answer fits into a packet or two, and compressing it costs more than it saves.
MIN_BYTES = 1024


def _gzip(content: bytes) -> bytes:
    # No time stamp and no name in the header: the same content gives the same bytes.
    packer = zlib.compressobj(5, wbits=31)
    return packer.compress(content) + packer.flush()


#: Name to compressor, best first. The levels are those that are worth their time while somebody waits.
CODINGS: dict[str, Callable[[bytes], bytes]] = {}

try:
    import zstandard
except ImportError:
    pass
else:
    # A compressor serves one call at a time, and making one costs little beside its work.
    CODINGS["zstd"] = lambda content: zstandard.ZstdCompressor(level=3).compress(content)

try:
    import brotli
except ImportError:
    pass
else:
    CODINGS["br"] = lambda content: brotli.compress(content, quality=4)

CODINGS["gzip"] = _gzip


@lru_cache(maxsize=256)  # clients send one of a few dozen values
def chosen(accept_encoding: str) -> str | None:
    """The coding to use for an `Accept-Encoding`: the client's favourite, ours among equals; `None` for none."""
    weights = dict(_weight(item) for item in accept_encoding.lower().split(",") if item.strip())
    weights.setdefault("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    best = max(CODINGS, key=lambda coding: weights.get(coding, weights.get("*", 0.0)))
    weight = weights.get(best, weights.get("*", 0.0))
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def _weight(item: str) -> tuple[str, float]:
    coding, _, parameters = item.partition(";")
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return coding.strip(), 1.0
    try:
        weight = float(value)
    except ValueError:
        return coding.strip(), 0.0
    return coding.strip(), weight if 0 <= weight <= 1 else 0.0


def compress(content: bytes, coding: str) -> bytes:
    return CODINGS[coding](content)
