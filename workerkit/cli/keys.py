"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ARROWS = {"\x1b[A": "up", "\x1b[B": "down"}
_KEY = re.compile(r"\x1b\[[0-9;]*[@-~]|.", re.DOTALL)
"""A control sequence as ECMA-48 writes it, or one character."""


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key; empty when none came.

    Where keys cannot be read one by one (Windows, no terminal) it only waits.
    """
    try:
        import termios  # noqa: PLC0415
        import tty  # noqa: PLC0415

        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
    except (ImportError, OSError, ValueError):
        yield _wait
        return
    try:
        tty.setcbreak(number)
        waiting: deque[str] = deque()
        yield lambda timeout: _read(number, waiting, timeout)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _wait(timeout: float) -> str:
    time.sleep(timeout)
    return ""


def _read(number: int, waiting: deque[str], timeout: float) -> str:
    import select  # noqa: PLC0415

    if not waiting and select.select([number], [], [], timeout)[0]:
        waiting.extend(split(os.read(number, 1024).decode(errors="replace")))
    return waiting.popleft() if waiting else ""


def split(typed: str) -> list[str]:
    """The keys of what a terminal sent at once: fast typing arrives in one piece."""
    return [_ARROWS.get(key, key) for key in _KEY.findall(typed)]
