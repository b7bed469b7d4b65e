"""The warehouse's use case, on a database in memory."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from pricing.use_case import PricingUseCase
from warehouse.use_case import UnknownProduct, WarehouseUseCase

WAREHOUSE = WarehouseUseCase()


def test_every_change_of_a_level_gets_a_higher_version(session: Session) -> None:
    levels = [WAREHOUSE.set_stock(session, "SKU-001", stock) for stock in (5, 5, 0)]
    assert levels[-1].stock == 0
    assert levels[-1].version == 3
    assert WAREHOUSE.find(session, "SKU-002").version == 0


def test_an_unknown_sku_is_an_error(session: Session) -> None:
    with pytest.raises(UnknownProduct, match="no product with sku 'SKU-999'"):
        WAREHOUSE.set_stock(session, "SKU-999", 5)


def test_both_services_begin_with_the_same_products(session: Session) -> None:
    for price in PricingUseCase().list_prices(session, limit=100):
        level = WAREHOUSE.find(session, price.sku)
        assert (level.product_id, level.stock) == (price.product_id, price.stock)
