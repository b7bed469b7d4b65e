"""Huey, 8 threads."""

from __future__ import annotations

import sys

from huey import RedisHuey

from .work import URL, Stock, apply, paced

huey = RedisHuey("bench", url=URL, results=False)


@huey.task(name="handle")
def handle(item: dict) -> None:
    """One event."""
    apply(Stock.model_validate(item))


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        for item in paced(float(sys.argv[2])):
            handle(item)
    else:
        huey.create_consumer(workers=8, worker_type="thread").run()
