"""Calls a worker's handler, as a plain function or on the loop, within its time."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..core.clock import Clock
from ..core.hooks import Hook, surrounding
from ..core.loop import EventLoop
from ..core.trace import handled
from ..errors import HandlerTimeout
from .item import Item
from .worker import EventContext, EventWorker

log = logging.getLogger("workerkit.events")

_NOTHING = nullcontext()


class Handling:
    """The handler of one worker."""

    def __init__(
        self,
        name: str,
        consumer: str,
        worker: EventWorker[Any],
        clock: Clock,
        loop: EventLoop,
        hooks: Sequence[Hook],
    ) -> None:
        self.name = name
        self.consumer = consumer
        self.worker = worker
        self.clock = clock
        self.loop = loop
        self._surround = surrounding(hooks)

    def context(self, item: Item, open_session: Callable[[], Any], now: float) -> EventContext:
        """What the handler of *item* is given; *now* in epoch seconds."""
        return EventContext(item.event, self.consumer, item.attempt, now, open_session)

    def run(self, item: Item, context: EventContext) -> None:
        """Call it and wait for its end; raises what it raised.

        Raises:
            HandlerTimeout: It took longer than the worker's `timeout`.
        """
        timeout = self.worker.timeout
        began = self.clock.monotonic() if timeout is not None else 0.0
        with self._within(item):
            answer: Any = self.worker.handle(item.payload, context)
            if answer is not None and inspect.isawaitable(answer):
                answer = self.loop.run(answer, timeout)
        if answer is not None:
            log.warning(
                "handler returned a value that is ignored",
                extra={"worker": self.name, "type": type(answer).__name__},
            )
        if timeout is not None and self.clock.monotonic() - began > timeout:
            raise HandlerTimeout(f"ran longer than {timeout:g} s")

    def _within(self, item: Item) -> AbstractContextManager[None]:
        if self._surround is None:
            return _NOTHING
        event = item.event
        span = handled(event.traceparent, event.id, self.consumer, item.attempt)
        return self._surround(span)
