"""Lines of several processes on one stream, each behind its process's name."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TextIO

from ..config.inherited import colour_unwanted

_COLOURS = (36, 32, 35, 34, 33, 96, 92, 95, 94, 93)
"""Of ECMA-48, without red: that is for what went wrong."""

_UNSAFE = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f]")
"""What could steer a terminal; colours may pass."""


class Lines:
    """Writes whole lines from any thread; *broken* is called when nobody reads any more."""

    def __init__(self, stream: TextIO, broken: Callable[[], None] = lambda: None) -> None:
        self.coloured = stream.isatty() and not colour_unwanted()
        self.lock = threading.RLock()
        self._stream = stream
        self._broken = broken
        self._colours: dict[str, int] = {}
        self._width = 0

    def expect(self, *names: str) -> None:
        """Make room for *names*, so that the lines align."""
        self._width = max(self._width, *map(len, names), 0)

    def write(self, name: str, text: str) -> None:
        """One line of *name*."""
        with self.lock:
            self.expect(name)
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            start = f"{name:{self._width}} |"
            if self.coloured:
                start = f"\033[{colour}m{start}\033[0m"
            self._put(f"{start} {_UNSAFE.sub(chr(0xFFFD), text)}{self._end(text)}")

    def plain(self, text: str) -> None:
        """One line of nobody."""
        with self.lock:
            self._put(_UNSAFE.sub(chr(0xFFFD), text))

    def _end(self, text: str) -> str:
        return "\033[0m" if self.coloured and "\x1b" in text else ""

    def _put(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._broken()
