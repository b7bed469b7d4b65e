"""Prices that follow from stock and rules, put right every five minutes."""

from __future__ import annotations

from workerkit import CronJob, RunContext

from ...payloads import PriceUpdated
from ...use_case import PricingUseCase

CHUNK = 100


class PriceSyncJob(CronJob):
    """Recomputes every price, and announces those that change.

    Each chunk is a transaction of its own; what a killed run had done stays,
    and the next one finds nothing to change there.
    """

    schedule = "*/5 * * * *"
    timeout = 240.0

    def __init__(self, pricing: PricingUseCase) -> None:
        self.pricing = pricing

    def run(self, context: RunContext) -> None:
        """Go through all products by sku, a chunk at a time."""
        after = ""
        while True:
            last, changed = self.pricing.recompute(context.session, after, CHUNK)
            for price in changed:
                context.publish("pricing.price.updated", PriceUpdated.of(price))
            context.rows += len(changed)
            context.commit()
            if last is None or context.stopping:
                return
            after = last
