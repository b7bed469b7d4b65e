"""Keys that a terminal sends one by one, and many at once."""

from __future__ import annotations

import pytest

from workerkit.cli.keys import split


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("", []),
        ("q", ["q"]),
        ("\x1b[Bp", ["down", "p"]),
        ("jj\x1b[A\x1b[Bt", ["j", "j", "up", "down", "t"]),
        ("\x1b[1;5Cq", ["\x1b[1;5C", "q"]),
        ("\x1b", ["\x1b"]),
    ],
)
def test_keys_that_arrive_together_are_told_apart(typed, keys):
    assert split(typed) == keys
