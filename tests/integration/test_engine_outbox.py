"""Publishing with a transaction, outside of event handlers."""

from __future__ import annotations

import logging
import threading

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from workerkit.errors import ConfigurationError, StorageError
from workerkit.events.outbox import Outbox, Relay
from workerkit.transports import open_transport


@pytest.fixture
def outbox(world) -> Outbox:
    return Outbox("shop", world.store, world.transport)


def published(world) -> list[dict]:
    return [orjson.loads(entry.body) for entry in world.transport.read("orders", "", 100)]


def insert(work, number: int) -> None:
    work.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": number})


def test_the_block_commits_and_publishes_at_once(world, outbox):
    with outbox.begin() as work:
        insert(work, 1)
        event_id = work.publish("orders", {"id": 1})
        assert published(world) == []
    (event,) = published(world)
    assert (event["id"], event["source"], event["data"]) == (event_id, "shop", {"id": 1})
    assert world.applied() == [1]


def test_an_exception_undoes_all_of_it(world, outbox):
    with pytest.raises(ZeroDivisionError), outbox.begin() as work:
        insert(work, 1)
        work.publish("orders", {"id": 1})
        raise ZeroDivisionError
    assert (world.applied(), published(world), world.store.counts()["outbox"]) == ([], [], 0)


def test_what_the_database_refuses_is_raised_as_the_database_says_it(world, outbox):
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX once ON applied (id)")
    with pytest.raises(IntegrityError), outbox.begin() as work:
        work.publish("orders", {"id": 1})
        insert(work, 1)
        insert(work, 1)
    assert published(world) == []


def test_a_silent_broker_leaves_the_events_to_the_relay(world, outbox, monkeypatch, caplog):
    def refuse(messages):
        raise StorageError("broker away")

    monkeypatch.setattr(world.transport, "publish", refuse)
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            with outbox.begin() as work:
                insert(work, number)
                work.publish("orders", {"id": number})
    assert [record.message for record in caplog.records] == ["could not publish; the relay will"]
    assert world.applied() == [0, 1, 2]
    monkeypatch.undo()
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE workerkit_outbox SET due = 0")
    assert Relay("shop", world.store, world.transport).relay() == 3
    assert [event["data"]["id"] for event in published(world)] == [0, 1, 2]


def test_each_outage_of_the_broker_is_told_once(world, outbox, monkeypatch, caplog):
    def refuse(messages):
        raise StorageError("broker away")

    publish = world.transport.publish
    troubles = []
    with caplog.at_level(logging.WARNING):
        for way in (refuse, refuse, publish, refuse, refuse, publish):
            monkeypatch.setattr(world.transport, "publish", way)
            with outbox.begin() as work:
                work.publish("orders", {"id": 1})
            troubles.append(outbox.trouble)
    assert troubles == ["broker away", "broker away", None] * 2
    assert [record.message for record in caplog.records] == [
        "could not publish; the relay will"
    ] * 2


def test_an_event_keeps_the_id_it_was_given(world, outbox):
    with outbox.begin() as work:
        assert work.publish("orders", {}, id="order-7") == "order-7"
    assert published(world)[0]["id"] == "order-7"


def test_many_threads_publish_at_once(world, outbox):
    def one(number: int) -> None:
        with outbox.begin() as work:
            insert(work, number)
            work.publish("orders", {"id": number})

    threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert world.applied() == sorted(e["data"]["id"] for e in published(world)) == list(range(20))


def test_a_redis_url_that_cannot_be_read_is_named_without_its_password(tmp_path):
    with pytest.raises(ConfigurationError, match="kafka://me:\\*\\*\\*@localhost"):
        open_transport("kafka://me:secret@localhost", tmp_path, 30.0)
    opened = open_transport(None, tmp_path, 7.0)
    assert (tmp_path / "broker.db").exists()
    opened.close()
