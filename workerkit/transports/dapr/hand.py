"""Which events this process has in hand, in a file that outlives it.

Dapr does not count deliveries. Whoever comes after a process that was killed
reads here what it had in hand, so that an event which kills its process each
time is known by that, and in the end runs alone, as with every other transport.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import orjson

try:
    import fcntl
except ImportError:  # Windows: nothing is counted there
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("workerkit.dapr")

Identity = tuple[str, str]

GROWTH = 1 << 20
"""Bytes by which the file may grow before it is written anew."""

KEPT = 5000
"""Events of dead processes that are remembered until they come again; they may go elsewhere."""


class Hand:
    """The events of *topic* in this process's hand, by (source, id), with their counts.

    `before` holds what processes had in hand that ended without an outcome; a
    process holds a lock on its file, so that of a dead one can be locked. The
    file is a help and no record: where it cannot be written, nothing is counted.
    """

    def __init__(self, folder: Path, topic: str) -> None:
        self.before: dict[Identity, int] = {}
        self._held: dict[Identity, int] = {}
        self._file: int | None = None
        self._room = GROWTH
        stem = quote(topic, safe="")
        self._path = folder / f"{stem}.{uuid4().hex}.hand"
        if fcntl is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            others = list(folder.glob(f"{stem}.*.hand"))
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            dead = {path: held for path in others if (held := _left_in(path)) is not None}
            for held in dead.values():
                self.before.update(held)
            self.before = dict(list(self.before.items())[-KEPT:])
            self._rewrite()
            for path in dead:
                path.unlink(missing_ok=True)
        except OSError as error:
            self._give_up(error)

    def count(self, identity: Identity | None) -> int:
        """Number of the delivery of *identity* that begins now."""
        return 1 + self.before.get(identity, 0) if identity else 1

    def take(self, events: Iterable[tuple[Identity, int]]) -> None:
        """Note *events*, each with its count, before anything is done with them."""
        taken = list(events)
        self._held.update(taken)
        self._append([(source, name, count) for (source, name), count in taken])

    def give(self, identities: Iterable[Identity]) -> None:
        """Note that *identities* came to an outcome, or were given back."""
        given = list(identities)
        for identity in given:
            self._held.pop(identity, None)
            self.before.pop(identity, None)
        self._append(given)

    def close(self) -> None:
        """Remove the file, but for events that never came to an outcome."""
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        if not self._held and not self.before:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _append(self, rows: object) -> None:
        if self._file is None or not rows:
            return
        try:
            self._room -= os.write(self._file, orjson.dumps(rows) + b"\n")
            if self._room < 0:
                self._rewrite()
        except OSError as error:
            self._give_up(error)

    def _rewrite(self) -> None:
        assert self._file is not None
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        both = {**self.before, **self._held}
        rows = [(source, name, count) for (source, name), count in both.items()]
        os.write(self._file, orjson.dumps(rows) + b"\n")
        self._room = GROWTH

    def _give_up(self, error: OSError) -> None:
        log.warning(
            "deliveries are not counted", extra={"file": str(self._path), "error": str(error)}
        )
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _left_in(path: Path) -> dict[Identity, int] | None:
    """What the process that wrote *path* had in hand when it died; None while it lives."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _read(file.read())
    except (BlockingIOError, FileNotFoundError):
        return None


def _read(text: bytes) -> dict[Identity, int]:
    """Without a last line that was cut off with its process."""
    held: dict[Identity, int] = {}
    for line in text.splitlines():
        rows: list[Any] = []
        with suppress(orjson.JSONDecodeError):
            rows = orjson.loads(line)
        for source, name, *count in rows:
            if count:
                held[source, name] = count[0]
            else:
                held.pop((source, name), None)
    return held
