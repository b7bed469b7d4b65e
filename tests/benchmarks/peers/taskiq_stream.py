"""Taskiq on a Redis stream."""

from __future__ import annotations

import asyncio
import sys

from taskiq_redis import RedisStreamBroker

from .work import URL, Stock, apply_later, paced

broker = RedisStreamBroker(URL)


@broker.task(task_name="handle")
async def handle(item: dict) -> None:
    """One event."""
    await apply_later(Stock.model_validate(item))


async def publish(rate: float) -> None:
    """The backlog, or one by one at *rate*."""
    await broker.startup()
    for item in paced(rate):
        await handle.kiq(item)
    await broker.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        asyncio.run(publish(float(sys.argv[2])))
    else:
        from taskiq.__main__ import main

        sys.argv[1:] = [
            "worker",
            f"{__spec__.name}:broker",
            "--workers",
            "1",
            "--log-level",
            "ERROR",
        ]
        main()
