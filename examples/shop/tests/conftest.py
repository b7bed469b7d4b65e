"""A pricing database in memory, with the first prices in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from pricing.migrate import migrate as migrate_pricing
from warehouse.migrate import migrate as migrate_warehouse


@pytest.fixture
def session() -> Iterator[Session]:
    """One transaction on both services' tables; nothing in it is kept."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate_pricing(connection)
        migrate_warehouse(connection)
        with Session(connection) as session:
            yield session
    engine.dispose()
