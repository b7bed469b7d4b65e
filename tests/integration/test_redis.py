"""The engine over a Redis server that is killed, paused, flushed, full and demoted."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress

import orjson
import pytest
from conftest import World
from redis import Redis
from sqlalchemy import text

from tests.redis_process import RedisProcess
from tests.servers import database_url
from workerkit.errors import StorageError
from workerkit.events.envelope import Event, encode
from workerkit.events.outbox import Relay
from workerkit.events.transport import Message
from workerkit.transports.redis_streams import RedisStreamsTransport

WIRE = (
    b'{"data":{"id":7},"datacontenttype":"application/json",'
    b'"id":"9226c2f7-8405-4987-bb6f-c433c219db57","pubsubname":"pubsub","source":"app-a",'
    b'"specversion":"1.0","time":"2026-11-24T03:42:33Z","topic":"orders","traceid":"",'
    b'"traceparent":"","tracestate":"","type":"com.dapr.event.sent"}'
)
"""What Dapr 1.18 wrote for a publish by curl."""


def order(number: int, **more) -> Event:
    return Event("orders", {"id": number}, **{"id": f"e{number}", "source": "web", **more})


def write(self, payload, context) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})
    context.publish("next", {"id": payload.id})


@pytest.fixture
def server(request) -> Iterator[RedisProcess]:
    """A server of this test's own, which keeps its data when it is killed."""
    opened = RedisProcess("--appendfsync", "everysec", appendonly=True)
    yield opened.start()
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path, server) -> Iterator[World]:
    url = database_url(request, tmp_path)
    opened = World(url, RedisStreamsTransport(server.url, lease=1.0))
    yield opened
    opened.close()
    opened.transport.close()


@pytest.fixture
def redis(server) -> Iterator[Redis]:
    with closing(Redis.from_url(server.url)) as client:
        yield client


def publish_until_confirmed(world: World, numbers: range) -> None:
    """As a publisher would: again, under the same ids, until the broker has answered."""
    for start in range(numbers.start, numbers.stop, 20):
        events = [encode(order(n)) for n in range(start, min(start + 20, numbers.stop))]
        while True:
            try:
                world.transport.publish([Message("orders", body) for body in events])
                break
            except StorageError:
                time.sleep(0.05)


def exactly_once(world: World, numbers: range, timeout: float = 30.0) -> None:
    world.until(lambda: world.applied() == list(numbers), timeout)
    world.until(lambda: world.transport.lag("orders", "shop").events == 0, timeout)
    relay = Relay("shop", world.store, world.transport)
    world.until(lambda: relay.relay() == 0 and world.store.counts()["outbox"] == 0, timeout)
    causes = Counter(event["data"]["id"] for event in map(orjson.loads, world.wire("next")))
    assert sorted(causes) == list(numbers)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_event_is_applied_once_and_announced(world, redis, concurrency):
    world.publish(*map(order, range(500)), *map(order, range(100)))
    world.start(write, concurrency=concurrency)
    world.until(lambda: len(world.outcomes()) >= 600)
    world.until(lambda: redis.xpending("orders", "shop")["pending"] == 0)
    exactly_once(world, range(500))
    assert world.outcomes().count("duplicate") >= 100


def test_what_is_written_is_what_dapr_writes(world, redis):
    world.publish(order(1))
    ((_, fields),) = redis.xrange("orders")
    assert list(fields) == [b"data"]
    envelope = orjson.loads(fields[b"data"])
    assert list(envelope) == sorted(envelope) == list(orjson.loads(WIRE))
    world.start(write)
    world.until(lambda: world.applied() == [1])
    assert [group["name"] for group in redis.xinfo_groups("orders")] == [b"shop"]


FOREIGN = {
    "as Dapr writes it": ({"data": WIRE, "metadata": b"{}"}, "applied"),
    "no JSON": ({"data": b"not json"}, "dead"),
    "no event": ({"data": b"[1]"}, "dead"),
    "no field data": ({"x": b"1"}, "dead"),
    "no data": ({"data": b'{"id":"a","source":"b"}'}, "dead"),
    "no id": ({"data": b'{"data":{"id":7}}'}, "applied"),
    "8 MB": ({"data": b'{"id":"a","data":{"id":7,"x":"' + b"x" * 2**23 + b'"}}'}, "applied"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_an_entry_that_another_program_wrote_ends_with_its_reason(world, redis, case):
    fields, outcome = FOREIGN[case]
    redis.xadd("orders", fields)
    redis.xadd("orders", {"data": encode(order(8))})
    world.start(write)
    world.until(lambda: sorted(world.outcomes()) == sorted(["applied", outcome]))
    assert world.applied() == ([7, 8] if outcome == "applied" else [8])
    assert [bool(letter.error) for letter in world.letters()] == [True] * (outcome == "dead")
    assert redis.xpending("orders", "shop")["pending"] == 0


def test_one_id_from_two_sources_is_two_events(world, redis):
    for number, source in enumerate(["web", "till", "web"]):
        redis.xadd("orders", {"data": encode(order(number, id="1", source=source))})
    world.start(write)
    world.until(lambda: len(world.outcomes()) == 3)
    assert world.applied() == [0, 1]


def test_connections_that_are_killed_lose_nothing(world, redis):
    world.start(write, concurrency=2)
    for turn in range(10):
        publish_until_confirmed(world, range(turn * 100, turn * 100 + 100))
        redis.client_kill_filter(_type="normal", skipme=True)
    exactly_once(world, range(1000))


def test_a_server_that_is_killed_again_and_again_loses_nothing(world, server):
    world.start(write)
    for turn in range(3):
        publisher = threading.Thread(
            target=publish_until_confirmed, args=(world, range(turn * 500, turn * 500 + 500))
        )
        publisher.start()
        time.sleep(0.05)
        server.kill()
        time.sleep(0.2)
        server.start()
        publisher.join(30)
    exactly_once(world, range(1500))
    world.until(lambda: world.consumer.trouble is None)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_server_that_answers_nobody_is_trouble_until_it_does(world, server):
    world.start(write)
    publish_until_confirmed(world, range(10))
    world.until(lambda: len(world.applied()) == 10)
    server.process.send_signal(signal.SIGSTOP)
    try:
        world.until(lambda: world.consumer.trouble is not None, 20)
        assert "redis://127.0.0.1" in world.consumer.trouble
    finally:
        server.process.send_signal(signal.SIGCONT)
    publish_until_confirmed(world, range(10, 20))
    exactly_once(world, range(20))
    world.until(lambda: world.consumer.trouble is None, 20)


def test_a_flushed_server_is_said_at_once_and_effects_stay_exactly_once(world, redis):
    world.start(write)
    publish_until_confirmed(world, range(100))
    world.until(lambda: len(world.applied()) == 100)
    redis.flushall()
    world.until(lambda: world.consumer.groups_lost == 1)
    assert "group shop of orders was lost" in world.consumer.trouble
    # The publisher sends again what it is not sure of: nothing of it happens twice.
    publish_until_confirmed(world, range(50, 200))
    world.until(lambda: world.applied() == list(range(200)))
    assert world.outcomes().count("duplicate") == 50
    assert world.consumer.groups_lost == 1


def test_a_full_server_keeps_follow_ups_in_the_outbox(world, redis):
    gate = threading.Event()

    def wait_and_write(self, payload, context):
        gate.wait(20)
        write(self, payload, context)

    world.start(wait_and_write)
    publish_until_confirmed(world, range(50))
    redis.config_set("maxmemory", redis.info("memory")["used_memory"])
    with pytest.raises(StorageError, match="maxmemory"):
        world.transport.publish([Message("orders", encode(order(99)))])
    gate.set()
    world.until(lambda: len(world.applied()) == 50)
    world.until(lambda: "maxmemory" in (world.consumer.trouble or ""))
    redis.config_set("maxmemory", 0)
    world.store.outbox_lease = 0.1
    with world.database.transaction() as connection:
        connection.execute(text("UPDATE workerkit_outbox SET due = 0"))
    exactly_once(world, range(50))


def test_a_server_that_was_made_a_replica_is_trouble_until_it_is_master_again(world, redis):
    world.start(write)
    publish_until_confirmed(world, range(10))
    world.until(lambda: len(world.applied()) == 10)
    redis.replicaof("127.0.0.1", 1)
    with pytest.raises(StorageError, match="read only"):
        world.transport.publish([Message("orders", encode(order(99)))])
    world.until(lambda: world.consumer.trouble is not None, 20)
    redis.replicaof("NO", "ONE")
    publish_until_confirmed(world, range(10, 20))
    exactly_once(world, range(20))


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_handler_that_outlasts_the_lease_runs_once(world, redis):
    calls = []

    def slow(self, payload, context):
        calls.append(payload.id)
        time.sleep(2.5)
        write(self, payload, context)

    world.start(slow, lease=1.0)
    world.start(slow, lease=1.0)
    world.publish(order(1))
    world.until(lambda: world.applied() == [1])
    time.sleep(1.5)
    assert calls == [1]
    assert redis.xpending("orders", "shop")["pending"] == 0


def test_a_missing_server_is_one_line_without_its_password(tmp_path):
    transport = RedisStreamsTransport("redis://me:secret@127.0.0.1:1/0")
    with pytest.raises(StorageError, match=r"redis redis://me:\*\*\*@127.0.0.1:1/0: ") as raised:
        transport.publish([Message("orders", b"{}")])
    assert "secret" not in str(raised.value)
    with suppress(StorageError):
        transport.close()


def test_a_read_that_comes_after_its_time_asks_without_waiting(server):
    with closing(RedisStreamsTransport(server.url)) as transport:
        subscription = transport.subscribe("orders", "shop")
        transport.publish([Message("orders", WIRE)])
        # As when another thread has run between the look at the clock and the read.
        assert len(subscription.receive(10, -0.01)) == 1
