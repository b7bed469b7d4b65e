"""How a price follows from a stock level."""

from __future__ import annotations

PERCENT_BY_STOCK = (
    (0, 130),
    (5, 115),
    (20, 100),
    (100, 90),
    (500, 80),
)
"""From this many units on: this percentage of the base price. What is scarce is dearer."""


def price_for(base_price: int, stock: int) -> int:
    """The price in minor units at *stock* units; half a minor unit is rounded up."""
    percent = next(percent for least, percent in reversed(PERCENT_BY_STOCK) if stock >= least)
    return (base_price * percent + 50) // 100
