"""Tables that an older workerkit made."""

from __future__ import annotations

from workerkit.events.envelope import Event
from workerkit.storage.database import VERSION


def test_tables_of_the_first_version_keep_what_they_hold(world):
    with world.database.engine.begin() as connection:
        for statement in (
            "ALTER TABLE workerkit_inbox DROP COLUMN attempts",
            "DROP TABLE workerkit_fences",
            "INSERT INTO workerkit_inbox VALUES ('shop/orders', 'web', 'e1', 'applied', 1.0)",
            "UPDATE workerkit_version SET version = 1",
        ):
            connection.exec_driver_sql(statement)
    assert world.database.upgrade() == (1, VERSION)
    assert world.database.upgrade() == (VERSION, VERSION)
    world.publish(*(Event("orders", {"id": n}, id=f"e{n}", source="web") for n in (1, 2)))
    world.start(lambda self, payload, context: None)
    world.until(lambda: sorted(world.outcomes()) == ["applied", "duplicate"])
    (settlement,) = world.store.story("web", "e1")
    assert (settlement.at, settlement.attempts) == (1.0, 0)
