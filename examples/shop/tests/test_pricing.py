"""Pricing's use case, on a database in memory."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from pricing.payloads import StockUpdated
from pricing.use_case import PricingUseCase, UnknownProduct

PRICING = PricingUseCase()


def level(stock: int, version: int | None = None) -> StockUpdated:
    return StockUpdated(product_id="test-123", sku="SKU-001", new_stock=stock, version=version)


def test_a_price_follows_its_stock_and_the_change_is_kept(session: Session) -> None:
    before = PRICING.find(session, "SKU-001").price
    price = PRICING.reprice(session, level(3), event_time=1.0)
    assert price is not None
    assert (before, price.price, price.stock) == (1349, 1754, 3)
    (change,) = PRICING.history(session, "SKU-001", limit=10)
    assert (change.previous_price, change.price, change.stock) == (1349, 1754, 3)


def test_a_level_that_leaves_the_price_alone_is_taken_in_without_a_change(
    session: Session,
) -> None:
    assert PRICING.reprice(session, level(99), event_time=1.0) is None
    assert PRICING.find(session, "SKU-001").stock == 99
    assert PRICING.history(session, "SKU-001", limit=10) == []


def test_the_latest_change_comes_first(session: Session) -> None:
    PRICING.reprice(session, level(3), event_time=1.0)
    PRICING.reprice(session, level(100), event_time=2.0)
    assert [change.stock for change in PRICING.history(session, "SKU-001", limit=10)] == [100, 3]


@pytest.mark.parametrize(
    ("first", "second", "stock"),
    [
        pytest.param((1, 10.0), (2, 11.0), 600, id="newer version"),
        pytest.param((1, 10.0), (2, 9.0), 600, id="newer version, earlier clock"),
        pytest.param((2, 10.0), (1, 11.0), 3, id="older version, later clock"),
        pytest.param((2, 10.0), (2, 9.0), 600, id="same version"),
        pytest.param((None, 10.0), (None, 11.0), 600, id="later event"),
        pytest.param((None, 10.0), (None, 9.0), 3, id="earlier event"),
        pytest.param((None, 10.0), (None, 10.0), 600, id="same moment"),
        pytest.param((5, 10.0), (None, 11.0), 600, id="no version, later event"),
        pytest.param((5, 10.0), (None, 9.0), 3, id="no version, earlier event"),
        pytest.param((None, 10.0), (1, 11.0), 600, id="first version, later event"),
        pytest.param((None, 10.0), (1, 9.0), 3, id="first version, earlier event"),
        pytest.param((None, 10.0), (None, 0.0), 600, id="nothing is known"),
    ],
)
def test_a_newer_level_is_never_overwritten_by_an_older_one(
    session: Session,
    first: tuple[int | None, float],
    second: tuple[int | None, float],
    stock: int,
) -> None:
    PRICING.reprice(session, level(3, first[0]), first[1])
    PRICING.reprice(session, level(600, second[0]), second[1])
    assert PRICING.find(session, "SKU-001").stock == stock


def test_an_event_without_a_time_does_not_turn_the_clock_back(session: Session) -> None:
    for stock, event_time in [(3, 10.0), (600, 0.0), (50, 9.0)]:
        PRICING.reprice(session, level(stock), event_time)
    assert PRICING.find(session, "SKU-001").stock == 600


def test_a_product_that_pricing_does_not_know_is_an_error(session: Session) -> None:
    stranger = StockUpdated(product_id="nobody", sku="SKU-999", new_stock=1)
    with pytest.raises(UnknownProduct, match="no product 'nobody'"):
        PRICING.reprice(session, stranger, event_time=1.0)
    with pytest.raises(UnknownProduct, match="no product with sku 'SKU-999'"):
        PRICING.find(session, "SKU-999")
