"""The limit: a loop written by hand, 500 events in a pipeline, a transaction and a pipeline."""

from __future__ import annotations

import sys

import orjson

from .work import NOOP, UPSERT, Stock, create_group, engine, follow_up, paced, redis, tally


def publish(rate: float) -> None:
    """The backlog, or one by one at *rate*."""
    create_group()
    pipeline = redis().pipeline(transaction=False)
    for item in paced(rate):
        pipeline.xadd("stock", {"data": orjson.dumps(item)})
        if rate or len(pipeline) >= 1000:
            pipeline.execute()
    pipeline.execute()


def work() -> None:
    """Until killed."""
    create_group()
    while True:
        answer = redis().xreadgroup("g", "c", {"stock": ">"}, count=500, block=500)
        for _, entries in answer:
            items = [Stock.model_validate_json(fields[b"data"]) for _, fields in entries]
            if NOOP:
                redis().xack("stock", "g", *[entry for entry, _ in entries])
                tally().add(len(items))
                continue
            claims = redis().pipeline(transaction=False)
            for item in items:
                claims.set(f"done:{item.id}", 1, nx=True, ex=3600)
            ours = claims.execute()
            new = [item for item, won in zip(items, ours, strict=True) if won]
            with engine().begin() as connection:
                connection.execute(UPSERT, [{"sku": i.sku, "price": i.level} for i in new])
            out = redis().pipeline(transaction=False)
            for item in new:
                out.xadd("price", follow_up(item))
            out.xack("stock", "g", *[entry for entry, _ in entries])
            out.execute()


if __name__ == "__main__":
    publish(float(sys.argv[2])) if sys.argv[1] == "publish" else work()
