"""Pricing's tables. Money is in integer minor units (cents), moments in epoch seconds."""

from __future__ import annotations

import time

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of this service."""


class Price(Base):
    """What a product costs, and the stock level that this follows from.

    `stock_version` and `stock_time` say how new the level is: the version that
    its publisher gave it, if any, and the time of the event that brought it.
    """

    __tablename__ = "prices"

    product_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    base_price: Mapped[int]
    price: Mapped[int]
    stock: Mapped[int]
    stock_version: Mapped[int | None] = mapped_column(BigInteger)
    stock_time: Mapped[float] = mapped_column(default=0.0)

    def has_newer_stock(self, version: int | None, event_time: float) -> bool:
        """Whether the level that we have is newer than that one.

        Versions decide when both have one, else the times of the events do. A
        time of 0 is unknown, and such a level is taken as it comes.
        """
        if version is not None and self.stock_version is not None:
            return version < self.stock_version
        return 0 < event_time < self.stock_time

    def take_stock(self, stock: int, version: int | None, event_time: float) -> None:
        """Replace the level that we have."""
        self.stock = stock
        self.stock_version = version
        self.stock_time = max(event_time, self.stock_time)


class PriceChange(Base):
    """One change of one price."""

    __tablename__ = "price_changes"

    id: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[str] = mapped_column(ForeignKey("prices.product_id"), index=True)
    previous_price: Mapped[int]
    price: Mapped[int]
    stock: Mapped[int]
    changed_at: Mapped[float] = mapped_column(default=time.time)
