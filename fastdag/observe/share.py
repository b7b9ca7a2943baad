"""The numbers of several processes, added up through files in a directory that they share.

Each process writes its own numbers into a file of its own, now and then. As long as it lives it holds a lock (`flock`)
on another one, which the kernel takes from it however it ends. Whoever finds a lock free adds the numbers that were
left to those of all the dead, so that counters never go back when workers come and go, and files do not pile up.
Whoever reads or moves numbers of others holds the directory's own lock, and waits for nothing else meanwhile.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec

__all__ = ["Numbers", "Share", "add", "encode"]

#: Numbers of a series, by whatever names the series.
Numbers: TypeAlias = dict[tuple[str, ...], list[float]]

_decode = msgspec.msgpack.Decoder(list[tuple[tuple[str, ...], list[float]]]).decode


def add(total: Numbers, more: Mapping[tuple[str, ...], list[float]]) -> None:
    """Add numbers to a total, series by series."""
    for key, numbers in more.items():
        known = total.get(key)
        total[key] = list(numbers) if known is None else [a + b for a, b in zip(known, numbers, strict=True)]


def encode(numbers: Numbers) -> bytes:
    """Numbers as a file holds them."""
    return msgspec.msgpack.encode(list(numbers.items()))


class Share:
    """One process's part in a directory. `passing` says which series end with their process, as gauges do."""

    def __init__(self, directory: str | os.PathLike[str], passing: frozenset[str] = frozenset()) -> None:
        self._directory = Path(directory)
        self._passing = passing
        self._name = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            self._alive = os.open(self._directory / f"{self._name}.alive", os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._alive, fcntl.LOCK_EX)

    def write(self, encoded: bytes) -> None:
        """Replace what this process has written before; in any thread, but one at a time."""
        self._write(self._name, encoded)

    def others(self) -> Numbers:
        """The numbers of all other processes, living and dead."""
        with self._locked():
            self._bury()
            total = self._read("dead")
            for path in self._directory.glob("*-*.numbers"):
                if path.stem != self._name:
                    add(total, self._read(path.stem))
        return total

    def leave(self) -> None:
        """Leave this process's numbers to the others; nothing is written after that."""
        with self._locked():
            os.close(self._alive)
            self._bury()

    def _bury(self) -> None:
        for path in self._directory.glob("*.alive"):
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                total = self._read("dead")
                lasting = {key: v for key, v in self._read(path.stem).items() if key[0] not in self._passing}
                add(total, lasting)
                self._write("dead", encode(total))
                self._path(path.stem).unlink(missing_ok=True)
                path.unlink()
            finally:
                os.close(descriptor)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.numbers"

    def _read(self, name: str) -> Numbers:
        try:
            return dict(_decode(self._path(name).read_bytes()))
        except FileNotFoundError:
            return {}

    def _write(self, name: str, encoded: bytes) -> None:
        # Renamed, so that nobody ever reads half of it.
        draft = self._directory / f"{name}.draft"
        draft.write_bytes(encoded)
        draft.replace(self._path(name))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
