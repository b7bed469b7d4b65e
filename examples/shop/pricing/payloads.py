"""What goes over the wire: JSON with camelCase keys, money in integer minor units."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from .models import Price

Units = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]
Version = Annotated[int, Field(strict=True, ge=0, lt=2**63)]


class Payload(BaseModel):
    """Read by its aliases or its names, written with its aliases."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, from_attributes=True, frozen=True
    )


class StockUpdated(Payload):
    """`warehouse.stock.updated`: how many units there are now.

    `version` grows with every change of the product's stock; a publisher that
    counts none leaves it out.
    """

    product_id: str = Field(min_length=1, examples=["test-123"])
    sku: str = Field(min_length=1, examples=["SKU-001"])
    new_stock: Units = Field(examples=[100])
    version: Version | None = None


class PriceUpdated(Payload):
    """`pricing.price.updated`: what a product costs now."""

    product_id: str
    sku: str
    price: int
    base_price: int
    stock: int

    @classmethod
    def of(cls, price: Price) -> PriceUpdated:
        """The event that announces *price*."""
        return cls.model_validate(price)


class PriceView(Payload):
    """A price, as the API shows it."""

    product_id: str
    sku: str
    price: int
    base_price: int
    stock: int
    stock_version: int | None


class PriceChangeView(Payload):
    """A change of a price, as the API shows it."""

    previous_price: int
    price: int
    stock: int
    changed_at: datetime
