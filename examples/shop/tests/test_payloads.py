"""What goes over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pricing.models import Price
from pricing.payloads import PriceUpdated, StockUpdated
from warehouse.models import StockLevel
from warehouse.payloads import StockUpdated as WarehouseStockUpdated

STOCK = {"productId": "test-123", "sku": "SKU-001", "newStock": 100}


def test_a_stock_level_is_read_from_camel_case() -> None:
    stock = StockUpdated.model_validate(STOCK)
    assert (stock.product_id, stock.sku, stock.new_stock) == ("test-123", "SKU-001", 100)
    assert stock.version is None


def test_fields_that_pricing_does_not_know_are_ignored() -> None:
    assert StockUpdated.model_validate({**STOCK, "shelf": "B7"}).new_stock == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"newStock": -1},
        {"newStock": "100"},
        {"newStock": 1.5},
        {"newStock": None},
        {"newStock": True},
        {"newStock": 10**30},
        {"productId": ""},
        {"version": -1},
    ],
)
def test_a_level_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StockUpdated.model_validate({**STOCK, **wrong})


def test_what_the_warehouse_writes_is_what_pricing_reads() -> None:
    level = StockLevel(product_id="test-123", sku="SKU-001", stock=7, version=3)
    wire = WarehouseStockUpdated.of(level).model_dump(mode="json", by_alias=True)
    assert wire == {"productId": "test-123", "sku": "SKU-001", "newStock": 7, "version": 3}
    assert StockUpdated.model_validate(wire).version == 3


def test_a_price_is_announced_in_camel_case_and_minor_units() -> None:
    price = Price(product_id="test-123", sku="SKU-001", base_price=1000, price=900, stock=100)
    assert PriceUpdated.of(price).model_dump(mode="json", by_alias=True) == {
        "productId": "test-123",
        "sku": "SKU-001",
        "price": 900,
        "basePrice": 1000,
        "stock": 100,
    }
