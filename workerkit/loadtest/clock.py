"""An event loop whose timers are exact to some 50 µs."""

from __future__ import annotations

import asyncio
import select
import selectors
import sys

_FD_SETSIZE = 1024
"""Descriptors from which on select(2) cannot take one."""


def exact_loop() -> asyncio.AbstractEventLoop:
    """A new event loop; asyncio's own on Linux sleeps whole milliseconds.

    With those, a request would be sent half a millisecond late on average,
    which is more than many answers take.
    """
    if sys.platform == "linux":
        return asyncio.SelectorEventLoop(_ExactSelector())
    return asyncio.SelectorEventLoop()


if sys.platform == "linux":

    class _ExactSelector(selectors.EpollSelector):
        """Sleeps in select(2), which counts microseconds, on epoll's own descriptor."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and 0 < timeout < 1 and self.fileno() < _FD_SETSIZE:
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)
