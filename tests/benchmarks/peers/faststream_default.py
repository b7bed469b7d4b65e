"""FastStream, a Redis stream with a group, a handler per event."""

from __future__ import annotations

import asyncio
import sys

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

from .work import URL, Stock, apply_later, create_group, paced

broker = RedisBroker(URL)
app = FastStream(broker)


@broker.subscriber(stream=StreamSub("stock", group="g", consumer="c", max_records=200))
async def handle(item: Stock) -> None:
    """One event."""
    await apply_later(item)


async def publish(rate: float) -> None:
    """The backlog, or one by one at *rate*."""
    create_group()
    async with RedisBroker(URL) as sender:
        for item in paced(rate):
            await sender.publish(Stock(**item), stream="stock")


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        asyncio.run(publish(float(sys.argv[2])))
    else:
        asyncio.run(app.run())
