"""Becoming the active replica when the database does not take the fence."""

from __future__ import annotations

import pytest

from workerkit.errors import StorageError
from workerkit.events.leadership import Leadership
from workerkit.state.memory import MemoryState
from workerkit.testing import FakeClock


class Database:
    """As much of a store as a fence needs; it may not take one."""

    def __init__(self) -> None:
        self.away = False
        self.token = 0

    def fenced(self, name: str) -> int:
        return self.token

    def begin(self) -> Database:
        return self

    def fence(self, name: str, token: int) -> None:
        if self.away:
            raise StorageError("no database")
        self.token = token

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass


def test_who_cannot_raise_the_fence_leaves_the_lead_to_another_at_once():
    clock, database = FakeClock(), Database()
    state = MemoryState(clock)
    one, other = (Leadership(state, database, "shop/order", 30.0, clock) for _ in range(2))
    database.away = True
    with pytest.raises(StorageError, match="no database"):
        one.hold()
    assert one.token == 0
    database.away = False
    assert other.hold()
    assert other.token == database.token > 0
    assert not one.hold()
