"""Publishing from a server: what waits together goes out together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..events.transport import Message, Transport

MOST = 500
"""Requests in one publish; what comes later waits for the next."""


class Publisher:
    """Hands the publishes of one event loop to a transport, one thread at a time.

    A commit costs the same for one event as for many. While one runs, whatever
    arrives is collected, and becomes the next: alone, a publish never waits.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._waiting: list[tuple[Sequence[Message], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return once *messages* are durable, in order.

        Raises:
            StorageError: It may or may not have happened, to all that went out together.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            together = [message for messages, _ in group for message in messages]
            failure: Exception | None = None
            try:
                await asyncio.to_thread(self.transport.publish, together)
            except Exception as error:  # whatever it is, somebody waits for it
                failure = error
            for _, done in group:
                if done.done():
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)
