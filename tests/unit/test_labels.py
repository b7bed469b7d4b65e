"""Names where only the characters of DNS are allowed."""

from __future__ import annotations

import pytest

from workerkit.core.labels import label_of


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("shop", "shop"), ("order_items", "order-items"), ("My.Project__1", "my-project-1"),
        ("x" * 64, "x" * 52), (f"{'x' * 51}_y", "x" * 51),
    ],
)  # fmt: skip
def test_a_label_has_letters_digits_and_single_hyphens_and_room_for_an_ending(name, label):
    assert label_of(name, room=11) == label
