"""SAQ, 50 at a time."""

from __future__ import annotations

import asyncio
import sys

from saq import Queue, Worker

from .work import URL, Stock, apply_later, paced


async def handle(context: dict, *, item: dict) -> None:
    """One event."""
    await apply_later(Stock.model_validate(item))


async def publish(rate: float) -> None:
    """The backlog, or one by one at *rate*."""
    queue = Queue.from_url(URL)
    await queue.connect()
    for item in paced(rate):
        await queue.enqueue("handle", item=item)


async def work() -> None:
    """A worker until SIGTERM."""
    await Worker(Queue.from_url(URL), functions=[handle], concurrency=50).start()


if __name__ == "__main__":
    asyncio.run(publish(float(sys.argv[2])) if sys.argv[1] == "publish" else work())
