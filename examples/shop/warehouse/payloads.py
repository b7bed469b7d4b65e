"""What goes over the wire: JSON with camelCase keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from .models import StockLevel

Units = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]


class Payload(BaseModel):
    """Read by its aliases or its names, written with its aliases."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, from_attributes=True, frozen=True
    )


class StockChange(Payload):
    """What `POST /stock/{sku}` takes."""

    new_stock: Units


class StockView(Payload):
    """A stock level, as the API shows it."""

    product_id: str
    sku: str
    stock: int
    version: int


class StockUpdated(Payload):
    """`warehouse.stock.updated`: how many units there are now."""

    product_id: str
    sku: str
    new_stock: int
    version: int

    @classmethod
    def of(cls, level: StockLevel) -> StockUpdated:
        """The event that announces *level*."""
        return cls(
            product_id=level.product_id,
            sku=level.sku,
            new_stock=level.stock,
            version=level.version,
        )
