"""Dramatiq, one process of 8 threads."""

from __future__ import annotations

import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from .work import URL, Stock, apply, paced

dramatiq.set_broker(RedisBroker(url=URL))


@dramatiq.actor
def handle(item: dict) -> None:
    """One event."""
    apply(Stock.model_validate(item))


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        for item in paced(float(sys.argv[2])):
            handle.send(item)
    else:
        from dramatiq.cli import main, make_argument_parser

        arguments = [__spec__.name, "--processes", "1", "--threads", "8"]
        sys.exit(main(make_argument_parser().parse_args(arguments)))
