"""Brings catalog's tables up to date."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from .models import Base, Product

PRODUCTS = 37


def migrate(connection: Connection) -> None:
    """Create our table when it is missing, and put the first products into an empty one."""
    Base.metadata.create_all(connection)
    if not connection.scalar(select(func.count()).select_from(Product)):
        connection.execute(insert(Product), [_seed(number) for number in range(1, PRODUCTS + 1)])


def _seed(number: int) -> dict[str, object]:
    return {
        "product_id": "test-123" if number == 1 else f"product-{number:03}",
        "sku": f"SKU-{number:03}",
        "name": f"Product {number}",
    }
