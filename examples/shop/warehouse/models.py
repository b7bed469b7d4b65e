"""The warehouse's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of this service."""


class StockLevel(Base):
    """Units of a product; `version` grows by one with every change."""

    __tablename__ = "stock_levels"

    product_id: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(unique=True)
    stock: Mapped[int]
    version: Mapped[int] = mapped_column(BigInteger, default=0)
