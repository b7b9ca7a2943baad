"""Heads of answers: what the transport reads in them, and what those said that were parsed before.

An upstream's answers to the same question have the same head until its clock shows another second, or for longer. To
parse it again tells nothing new: how an answer is framed follows from the bytes of its head and from nothing else
(RFC 9112 §6.3), except for HEAD, whose answers are not looked for here.
"""

from __future__ import annotations

__all__ = ["Heads", "seconds_kept", "value_of"]

_MOST = 64
_LONGEST = 1024

#: What the parser made of a final answer that came whole and left its connection open: the status, the head, the
#: length of the body, its encoding, and for how long the connection is kept.
Known = tuple[int, bytes, int, bytes, float | None]


class Heads:
    """What the last heads of one host said, by their bytes."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[bytes, Known] = {}

    def learn(self, head: bytes, status: int, length: int, encoding: bytes, keep_alive: float | None) -> None:
        """Remember a head. Where they are many they hold the time of day, or an identifier: the old ones are
        forgotten."""
        if len(head) <= _LONGEST:
            if len(self.known) >= _MOST:
                self.known.clear()
            self.known[head] = status, head, length, encoding, keep_alive


def value_of(head: bytes, name: bytes) -> bytes:
    """A header's values, as a list where there are several, or nothing. `name` has its line's start and its colon."""
    values = []
    at = head.find(name)
    while at >= 0:
        end = head.index(b"\r\n", at + 2)
        values.append(head[at + len(name) : end].strip())
        at = head.find(name, end)
    return b", ".join(values)


def seconds_kept(value: bytes) -> float | None:
    """Seconds that a connection may be idle by `Keep-Alive: timeout=5, max=100`: one less than was promised, for the
    way there; half of it where that is more."""
    for part in value.split(b","):
        name, _, seconds = part.partition(b"=")
        seconds = seconds.strip(b' "')
        if name.strip() == b"timeout" and seconds.isdigit():
            return max(int(seconds[:9]) - 1, int(seconds[:9]) / 2)
    return None
