"""RQ, its worker without forks."""

from __future__ import annotations

import sys
from importlib import import_module

from rq import Queue, SimpleWorker

from .work import Stock, apply, paced, redis


def handle(item: dict) -> None:
    """One event."""
    apply(Stock.model_validate(item))


if __name__ == "__main__":
    queue = Queue(connection=redis())
    if sys.argv[1] == "publish":
        task = import_module(__spec__.name).handle
        for item in paced(float(sys.argv[2])):
            queue.enqueue(task, item, result_ttl=0)
    else:
        SimpleWorker([queue], connection=redis()).work(logging_level="ERROR")
