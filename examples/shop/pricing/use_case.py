"""What pricing does, whoever asks for it: its API, its workers or a test."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from .models import Price, PriceChange
from .payloads import StockUpdated
from .rules import price_for

BY_SKU = select(Price).where(Price.sku == bindparam("sku"))
"""Made once: building a statement takes as long as running it."""


class UnknownProduct(LookupError):
    """Pricing has no such product."""


class PricingUseCase:
    """Reads and changes prices; the caller owns the transaction."""

    def reprice(self, session: Session, stock: StockUpdated, event_time: float) -> Price | None:
        """Take in a stock level; return the price if it changed.

        A level that is older than the one we have changes nothing.

        Raises:
            UnknownProduct: There is no product with this id.
        """
        price = session.get(Price, stock.product_id, with_for_update=True)
        if price is None:
            raise UnknownProduct(f"no product {stock.product_id!r}")
        if price.has_newer_stock(stock.version, event_time):
            return None
        price.take_stock(stock.new_stock, stock.version, event_time)

        return price if self._put_right(session, price) else None

    def recompute(
        self, session: Session, after: str, limit: int
    ) -> tuple[str | None, Sequence[Price]]:
        """Put up to *limit* prices right whose sku comes after *after*.

        The last sku that was looked at, None when there was none, and the
        prices that changed.
        """
        prices = self.list_prices(session, limit, after, lock=True)
        changed = [price for price in prices if self._put_right(session, price)]
        return (prices[-1].sku if prices else None), changed

    def forget_changes(self, session: Session, before: float, limit: int) -> int:
        """Delete up to *limit* changes made before *before* (epoch seconds), the oldest first."""
        old = select(PriceChange.id).where(PriceChange.changed_at < before)
        ids = session.scalars(old.order_by(PriceChange.id).limit(limit)).all()
        if ids:
            session.execute(delete(PriceChange).where(PriceChange.id.in_(ids)))
        return len(ids)

    def find(self, session: Session, sku: str) -> Price:
        """The price of *sku*.

        Raises:
            UnknownProduct: There is no product with this sku.
        """
        price = session.scalar(BY_SKU, {"sku": sku})
        if price is None:
            raise UnknownProduct(f"no product with sku {sku!r}")
        return price

    def list_prices(
        self, session: Session, limit: int, after: str = "", *, lock: bool = False
    ) -> Sequence[Price]:
        """Up to *limit* prices whose sku comes after *after*, by sku; locked if asked to."""
        query = select(Price).where(Price.sku > after).order_by(Price.sku).limit(limit)
        return session.scalars(query.with_for_update() if lock else query).all()

    def history(self, session: Session, sku: str, limit: int) -> Sequence[PriceChange]:
        """Up to *limit* changes of the price of *sku*, the latest first.

        Raises:
            UnknownProduct: There is no product with this sku.
        """
        changes = select(PriceChange).where(
            PriceChange.product_id == self.find(session, sku).product_id
        )
        return session.scalars(changes.order_by(PriceChange.id.desc()).limit(limit)).all()

    def _put_right(self, session: Session, price: Price) -> bool:
        """Set the price that follows from the rules; whether that changed it."""
        previous, price.price = price.price, price_for(price.base_price, price.stock)
        if price.price == previous:
            return False
        session.add(
            PriceChange(
                product_id=price.product_id,
                previous_price=previous,
                price=price.price,
                stock=price.stock,
            )
        )
        return True
