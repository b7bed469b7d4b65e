"""What goes over the wire: JSON with camelCase keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Payload(BaseModel):
    """Read by its aliases or its names, written with its aliases."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, from_attributes=True, frozen=True
    )


class Level(Payload):
    """A stock level, as the warehouse tells it; what else it tells is left out."""

    sku: str
    stock: int


class ProductView(Payload):
    """A product, as the API shows it.

    `stock` is what the warehouse had `stock_age` seconds ago; both are null
    while nobody knows.
    """

    product_id: str
    sku: str
    name: str
    stock: int | None = None
    stock_age: float | None = None
