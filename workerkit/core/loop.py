"""The one asyncio loop of a process, for handlers and jobs that are `async def`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any

from ..errors import HandlerTimeout


class EventLoop:
    """A loop on a thread of its own, started at its first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Wait for *awaitable* from another thread; raise whatever it raised.

        Raises:
            HandlerTimeout: It took longer than *timeout* seconds and was cancelled.
        """
        waiting = asyncio.run_coroutine_threadsafe(_outcome(awaitable, timeout), self._running())
        value, error = waiting.result()
        if error is not None:
            raise error
        return value

    def coroutines(self) -> list[Coroutine[Any, Any, Any]]:
        """What runs on it, or waits."""
        with self._lock:
            if self._loop is None:
                return []
            tasks = asyncio.all_tasks(self._loop)
        found = [task.get_coro() for task in tasks]
        return [each for each in found if asyncio.iscoroutine(each)]

    def close(self) -> None:
        """Stop the loop; idempotent."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="asyncio", daemon=True).start()
            return self._loop


async def _outcome(
    awaitable: Awaitable[Any], timeout: float | None
) -> tuple[Any, BaseException | None]:
    """Value and error; raised here, a SystemExit would end the loop for all."""
    scope = asyncio.timeout(timeout)
    value, error = None, None
    try:
        async with scope:
            value = await awaitable
    except BaseException as raised:
        error = raised
    if scope.expired():
        error = HandlerTimeout(f"ran longer than {timeout:g} s")
    return value, error
