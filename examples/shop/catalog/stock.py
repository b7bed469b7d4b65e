"""Stock levels in the cache: written by the cron worker, read by the API."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from workerkit import Cache

from .payloads import Level

KEPT = 3600.0
"""Seconds for which a level is shown when the warehouse is away."""


@dataclass(frozen=True, slots=True)
class Known:
    """A level, and how many seconds ago it was one."""

    stock: int
    age: float


class StockCache:
    """The last level that is known of each product."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def keep(self, levels: Sequence[Level]) -> None:
        """Put *levels* in, as of now."""
        now = time.time()
        values = {f"stock:{level.sku}": [level.stock, now] for level in levels}
        self.cache.put_many(values, KEPT)

    def known(self, skus: Sequence[str]) -> dict[str, Known]:
        """The levels of those *skus* of which one is known."""
        now = time.time()
        found = self.cache.get_many([f"stock:{sku}" for sku in skus])
        return {
            key.removeprefix("stock:"): Known(stock, max(0.0, now - at))
            for key, (stock, at) in found.items()
        }
