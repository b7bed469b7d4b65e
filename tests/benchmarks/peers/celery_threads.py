"""Celery, 8 threads."""

from __future__ import annotations

import sys

from celery import Celery

from .work import URL, Stock, apply, paced

app = Celery("bench", broker=URL)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(name="handle")
def handle(item: dict) -> None:
    """One event."""
    apply(Stock.model_validate(item))


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        for item in paced(float(sys.argv[2])):
            handle.delay(item)
    else:
        app.worker_main(["worker", "--pool=threads", "--concurrency=8", "--loglevel=ERROR"])
