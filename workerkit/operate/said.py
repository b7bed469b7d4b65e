"""What the processes of `workerkit dev` said, kept in a file of bounded size."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from operator import attrgetter
from pathlib import Path

import orjson

from ..events.envelope import moment

FILE = "dev.log"
"""Below the project's data folder."""

LIMIT = 4 << 20
"""Bytes after which the file becomes the old one, and the old one goes."""

_TS = '{"ts":"'

MOST = 200
"""Lines that an answer has at most."""


@dataclass(frozen=True, slots=True)
class SaidLine:
    """One line of process `who`; `at` is its own time, else when it was read, in epoch seconds."""

    at: float
    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """Processes whose name begins with `start`, from `began` to `ended` in epoch seconds."""

    start: str
    began: float
    ended: float


_at = attrgetter("at")


class SaidFile:
    """Appends lines from any thread. A full disk costs lines, and stops nothing."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._lock = threading.Lock()
        self._file: FileIO | None = None

    def write(self, who: str, text: str) -> None:
        """One line of process *who*."""
        line = orjson.dumps([round(time.time(), 4), who, text]) + b"\n"
        with self._lock, suppress(OSError):
            file = self._file or self._open()
            if file.tell() > LIMIT:
                self._file = None
                file.close()
                self._path.replace(_old(self._path))
                file = self._open()
            file.write(line)

    def close(self) -> None:
        """Release the file; idempotent."""
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _open(self) -> FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        return self._file


def recorded(data: Path) -> bool:
    """Whether lines are kept in *data*."""
    return (data / FILE).exists()


def said_about(data: Path, text: str) -> list[SaidLine]:
    """The latest `MOST` lines that contain *text*, oldest first."""
    wanted = orjson.dumps(text)[1:-1]
    return list(_read([line for line in _lines(data) if wanted in line][-MOST:]))


def said_between(data: Path, spans: Sequence[Span]) -> list[list[SaidLine]]:
    """The latest `MOST` lines of each of *spans*, oldest first; the file is read once for all."""
    starts = tuple({span.start for span in spans})
    lines = sorted(_read(_lines(data), starts), key=_at) if spans else []
    return [_within(lines, span) for span in spans]


def _within(lines: Sequence[SaidLine], span: Span) -> list[SaidLine]:
    first = bisect_left(lines, span.began, key=_at)
    beyond = bisect_right(lines, span.ended, key=_at)
    return [line for line in lines[first:beyond] if line.who.startswith(span.start)][-MOST:]


def _lines(data: Path) -> Iterator[bytes]:
    for path in (_old(data / FILE), data / FILE):
        with suppress(OSError), path.open("rb") as file:
            yield from file


def _read(lines: Iterable[bytes], starts: tuple[str, ...] = ("",)) -> Iterator[SaidLine]:
    """Those of processes whose name begins with one of *starts*."""
    for line in lines:
        with suppress(orjson.JSONDecodeError, ValueError, TypeError):
            at, who, text = orjson.loads(line)
            if who.startswith(starts):
                yield SaidLine(_own_time(text) or at, who, text)


def _own_time(text: str) -> float | None:
    """When a line of JSON says it was written: a busy machine reads it later."""
    return moment(text[len(_TS) :].partition('"')[0]) if text.startswith(_TS) else None


def _old(path: Path) -> Path:
    return path.with_suffix(".old.log")
