"""What the warehouse does, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import StockLevel


class UnknownProduct(LookupError):
    """The warehouse has no such product."""


class WarehouseUseCase:
    """Reads and changes stock levels; the caller owns the transaction."""

    def set_stock(self, session: Session, sku: str, stock: int) -> StockLevel:
        """Set the level of *sku* to *stock* units.

        Raises:
            UnknownProduct: There is no product with this sku.
        """
        level = self.find(session, sku, lock=True)
        level.stock = stock
        level.version += 1
        return level

    def list_levels(self, session: Session, after: str, limit: int) -> Sequence[StockLevel]:
        """Up to *limit* levels whose sku comes after *after*, by sku."""
        query = select(StockLevel).where(StockLevel.sku > after)
        return session.scalars(query.order_by(StockLevel.sku).limit(limit)).all()

    def find(self, session: Session, sku: str, *, lock: bool = False) -> StockLevel:
        """The level of *sku*; with *lock* nobody else changes it before the transaction ends.

        Raises:
            UnknownProduct: There is no product with this sku.
        """
        query = select(StockLevel).where(StockLevel.sku == sku)
        level = session.scalar(query.with_for_update() if lock else query)
        if level is None:
            raise UnknownProduct(f"no product with sku {sku!r}")
        return level
