"""arq with a short poll and 100 jobs at a time."""

from __future__ import annotations

import asyncio
import sys

from arq import create_pool, run_worker
from arq.connections import RedisSettings

from .work import URL, Stock, apply_later, paced


async def handle(context: dict, item: dict) -> None:
    """One event."""
    await apply_later(Stock.model_validate(item))


class Settings:
    """What arq's worker reads."""

    functions = (handle,)
    redis_settings = RedisSettings.from_dsn(URL)
    max_jobs = 100
    poll_delay = 0.01
    keep_result = 0


async def publish(rate: float) -> None:
    """The backlog, or one by one at *rate*."""
    pool = await create_pool(Settings.redis_settings)
    for item in paced(rate):
        await pool.enqueue_job("handle", item)


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        asyncio.run(publish(float(sys.argv[2])))
    else:
        run_worker(Settings)
