"""What on-call does with events that were parked or given up on."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from workerkit.errors import InvalidPayload, Reject
from workerkit.events.envelope import Event
from workerkit.storage.dead_letters import correct, drop, find, list_parked, replay


def order(number: int) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web")


@pytest.fixture
def broken(world):
    """A world whose worker refuses orders 1 and 2 until `mended` is set."""
    world.mended = False

    def handle(self, payload, context):
        context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})
        if payload.id < 3 and not world.mended:
            raise Reject(f"no product {payload.id}")

    world.publish(order(1), order(2), order(3))
    world.start(handle)
    world.until(lambda: len(world.outcomes()) == 3)
    return world


def test_a_dead_letter_tells_what_went_wrong(broken):
    (letter,) = find(broken.database, "e1")
    assert (letter.consumer, letter.topic, letter.dead) == ("shop/orders", "orders", True)
    assert letter.error == "Reject: no product 1"
    assert "raise Reject" in letter.traceback


def test_dead_and_parked_are_listed_apart(broken):
    with broken.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE workerkit_parked SET dead=0, due=9e9 WHERE id='e2'")
    listed = {d: [e.id for e in list_parked(broken.database, dead=d, limit=9)] for d in (1, 0)}
    assert listed == {1: ["e1"], 0: ["e2"]}
    assert len(list_parked(broken.database, dead=None, limit=9)) == 2
    assert len(list_parked(broken.database, dead=None, limit=1)) == 1


def test_a_replayed_event_is_applied_and_published_to_nobody_else(broken):
    before = broken.transport.last("orders")
    broken.mended = True
    assert replay(broken.database, ["e1"]) == 1
    broken.until(lambda: 1 in broken.applied())
    assert broken.applied() == [1, 3]
    assert broken.transport.last("orders") == before


def test_a_replayed_event_has_all_of_its_attempts_again(broken):
    replay(broken.database)
    broken.until(lambda: broken.outcomes().count("dead") == 4)
    assert [r.attempt for r in broken.recorder.records if r.outcome == "dead"] == [1, 1, 1, 1]


def test_without_ids_every_dead_letter_is_replayed(broken):
    broken.mended = True
    assert replay(broken.database) == 2
    broken.until(lambda: broken.applied() == [1, 2, 3])
    assert list_parked(broken.database, dead=None, limit=9) == []


def test_a_dropped_event_never_runs_again(broken):
    broken.mended = True
    assert drop(broken.database, ["e1", "unknown"]) == 1
    broken.publish(order(1))
    broken.until(lambda: "duplicate" in broken.outcomes())
    assert (find(broken.database, "e1"), broken.applied()) == ([], [3])
    assert [s.state for s in broken.store.story("web", "e1")] == ["dead"]


def test_the_story_of_an_event_names_each_consumer(broken):
    (dead,) = broken.store.story("web", "e1")
    (applied,) = broken.store.story("web", "e3")
    assert (dead.consumer, dead.state, dead.attempts) == ("shop/orders", "dead", 1)
    assert dead.error == "Reject: no product 1"
    assert (applied.state, applied.attempts, applied.error) == ("applied", 0, "")
    assert broken.store.story("web", "e9") == []


def test_a_corrected_dead_letter_is_applied_with_its_new_data(world):
    def handle(self, payload, context):
        context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})

    world.publish(Event("orders", {"id": "lots"}, id="bad", source="web"))
    world.start(handle)
    world.until(lambda: world.outcomes() == ["dead"])
    assert correct(world.database, "bad", {"id": 12}) == 1
    assert replay(world.database, ["bad"]) == 1
    world.until(lambda: world.applied() == [12])
    assert find(world.database, "bad") == []


def test_an_envelope_that_cannot_be_read_cannot_be_corrected(world):
    world.publish(b"[]")
    world.start(lambda self, payload, context: None)
    world.until(lambda: world.outcomes() == ["dead"])
    (letter,) = list_parked(world.database, dead=True, limit=9)
    with pytest.raises(InvalidPayload, match="must be an object"):
        correct(world.database, letter.id, {"id": 1})
