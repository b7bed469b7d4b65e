"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ARROWS = {"\x1b[A": "up", "\x1b[B": "down"}


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
        yield lambda timeout: _read(number, timeout)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _wait(timeout: float) -> str:
    time.sleep(timeout)
    return ""


def _read(number: int, timeout: float) -> str:
    import select  # noqa: PLC0415

    if not select.select([number], [], [], timeout)[0]:
        return ""
    pressed = os.read(number, 8).decode(errors="replace")
    return _ARROWS.get(pressed, pressed[:1])
