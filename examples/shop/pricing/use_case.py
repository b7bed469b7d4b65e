"""What pricing does, whoever asks for it: its API, its workers or a test."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import Price, PriceChange
from .payloads import StockUpdated
from .rules import price_for


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

        previous, price.price = price.price, price_for(price.base_price, price.stock)
        if price.price == previous:
            return None
        session.add(
            PriceChange(
                product_id=price.product_id,
                previous_price=previous,
                price=price.price,
                stock=price.stock,
            )
        )
        return price

    def find(self, session: Session, sku: str) -> Price:
        """The price of *sku*.

        Raises:
            UnknownProduct: There is no product with this sku.
        """
        price = session.scalar(select(Price).where(Price.sku == sku))
        if price is None:
            raise UnknownProduct(f"no product with sku {sku!r}")
        return price

    def list_prices(self, session: Session, limit: int) -> Sequence[Price]:
        """Up to *limit* prices, by sku."""
        return session.scalars(select(Price).order_by(Price.sku).limit(limit)).all()

    def history(self, session: Session, sku: str, limit: int) -> Sequence[PriceChange]:
        """Up to *limit* changes of the price of *sku*, the latest first.

        Raises:
            UnknownProduct: There is no product with this sku.
        """
        changes = select(PriceChange).where(
            PriceChange.product_id == self.find(session, sku).product_id
        )
        return session.scalars(changes.order_by(PriceChange.id.desc()).limit(limit)).all()
