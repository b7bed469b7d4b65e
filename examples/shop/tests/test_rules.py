"""The pricing rule."""

from __future__ import annotations

import pytest

from pricing.rules import price_for


@pytest.mark.parametrize(
    ("stock", "price"),
    [
        (0, 1300),
        (4, 1300),
        (5, 1150),
        (19, 1150),
        (20, 1000),
        (99, 1000),
        (100, 900),
        (499, 900),
        (500, 800),
        (1_000_000, 800),
    ],
)
def test_scarce_products_are_dearer_and_overstocked_ones_cheaper(stock: int, price: int) -> None:
    assert price_for(1000, stock) == price


@pytest.mark.parametrize(
    ("base_price", "stock", "price"),
    [(1349, 0, 1754), (1350, 5, 1553), (999, 100, 899), (1, 0, 1), (0, 0, 0)],
)
def test_half_a_minor_unit_is_rounded_up(base_price: int, stock: int, price: int) -> None:
    assert price_for(base_price, stock) == price
