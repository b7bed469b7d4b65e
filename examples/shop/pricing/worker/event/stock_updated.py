"""warehouse.stock.updated → pricing.price.updated"""

from __future__ import annotations

from workerkit import EventContext, EventWorker, Reject, Retry

from ...payloads import PriceUpdated, StockUpdated
from ...use_case import PricingUseCase, UnknownProduct


class StockUpdatedWorker(EventWorker[StockUpdated]):
    """Reprices a product when its stock changes."""

    topic = "warehouse.stock.updated"
    retry = Retry(attempts=10, first=0.2, factor=2.0, cap=300.0)

    def __init__(self, pricing: PricingUseCase) -> None:
        self.pricing = pricing

    def key(self, stock: StockUpdated) -> str:
        """Levels of one product are applied in order."""
        return stock.product_id

    def handle(self, stock: StockUpdated, context: EventContext) -> None:
        """Take in the level, and announce the price if it changed."""
        try:
            price = self.pricing.reprice(context.session, stock, context.event.time)
        except UnknownProduct as error:
            raise Reject(str(error)) from None
        if price is not None:
            context.publish("pricing.price.updated", PriceUpdated.of(price))
