"""FastStream, the user writes the batch: pipelines and one transaction, no per-event handler."""

from __future__ import annotations

import asyncio
import sys

from faststream import FastStream
from faststream.redis import RedisBroker, StreamSub

from .faststream_default import publish
from .work import NOOP, UPSERT, URL, Stock, async_redis, engine, follow_up, tally

broker = RedisBroker(URL)
app = FastStream(broker)


@broker.subscriber(stream=StreamSub("stock", group="g", consumer="c", batch=True, max_records=500))
async def handle(items: list[Stock]) -> None:
    """A batch."""
    if NOOP:
        tally().add(len(items))
        return
    claims = async_redis().pipeline(transaction=False)
    for item in items:
        claims.set(f"done:{item.id}", 1, nx=True, ex=3600)
    new = [item for item, ours in zip(items, await claims.execute(), strict=True) if ours]
    if not new:
        return
    with engine().begin() as connection:
        connection.execute(UPSERT, [{"sku": item.sku, "price": item.level} for item in new])
    out = async_redis().pipeline(transaction=False)
    for item in new:
        out.xadd("price", follow_up(item))
    await out.execute()


if __name__ == "__main__":
    asyncio.run(publish(float(sys.argv[2])) if sys.argv[1] == "publish" else app.run())
