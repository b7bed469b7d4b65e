"""Pricing's event worker, without a broker."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy.orm import Session
from workerkit import EventContext, Reject

from pricing.payloads import PriceUpdated, StockUpdated
from pricing.use_case import PricingUseCase
from pricing.worker.event.stock_updated import StockUpdatedWorker

WORKER = StockUpdatedWorker(PricingUseCase())


class FakeContext:
    """What the worker uses of an EventContext."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.event = SimpleNamespace(time=1.0)
        self.published: list[tuple[str, Any]] = []

    def publish(self, topic: str, data: Any) -> None:
        self.published.append((topic, data))


def handle(session: Session, stock: StockUpdated) -> list[tuple[str, Any]]:
    context = FakeContext(session)
    WORKER.handle(stock, cast(EventContext, context))
    return context.published


def test_a_changed_price_is_announced(session: Session) -> None:
    stock = StockUpdated(product_id="test-123", sku="SKU-001", new_stock=100)
    price = PriceUpdated(
        product_id="test-123", sku="SKU-001", price=1214, base_price=1349, stock=100
    )
    assert handle(session, stock) == [("pricing.price.updated", price)]


def test_an_unchanged_price_is_not_announced(session: Session) -> None:
    stock = StockUpdated(product_id="test-123", sku="SKU-001", new_stock=50)
    assert handle(session, stock) == []


def test_an_unknown_product_is_given_up_at_once(session: Session) -> None:
    with pytest.raises(Reject, match="no product 'nobody'"):
        handle(session, StockUpdated(product_id="nobody", sku="SKU-999", new_stock=1))


def test_levels_of_one_product_share_a_key() -> None:
    assert WORKER.key(StockUpdated(product_id="a", sku="SKU-001", new_stock=1)) == "a"
