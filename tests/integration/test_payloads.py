"""Events as the world sends them: too big, too deep, unreadable, repeated, from long ago."""

from __future__ import annotations

import random
import time
from contextlib import closing
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from workerkit.errors import StorageError
from workerkit.events.envelope import Event
from workerkit.transports.memory import MemorySubscription
from workerkit.transports.sqlite import SqliteTransport

BACKSLASH = b"\\"


def envelope(number: int = 1, **fields: Any) -> bytes:
    """An event as another program would write it; a field of None is left out."""
    whole = {"id": f"e{number}", "source": "web", "data": {"id": number}, **fields}
    return orjson.dumps({key: value for key, value in whole.items() if value is not None})


def write(self, payload, context) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})


def settled(world, count: int) -> None:
    world.until(lambda: len(world.outcomes()) >= count)


UNREADABLE = {
    "empty": b"",
    "blank": b" \n",
    "not JSON": b"{id: 1}",
    "cut off": envelope()[:-4],
    "two": envelope() + envelope(),
    "not UTF-8": b'{"id": "e1", "data": "\xff"}',
    "UTF-16": envelope().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + envelope(),
    "NUL": b"\x00" * 100,
    "an array": b"[1]",
    "a number": b"7",
    "null": b"null",
    "an empty object": b"{}",
    "brackets without end": b"[" * 500_000,
    "nested without end": b'{"id":"e1","data":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "NaN": b'{"id":"e1","data":{"id":NaN}}',
    "infinity": b'{"id":"e1","data":{"id":1e999}}',
    "half a surrogate": b'{"id":"e1","data":{"id":"' + BACKSLASH + b'ud800"}}',
    "half a surrogate as id": b'{"id":"' + BACKSLASH + b'ud800","data":{"id":1}}',
    "an id that is a number": envelope(id=7),
    "an id that is a list": envelope(id=["e1"]),
    "a source that is an object": envelope(source={"a": 1}),
    "data of another type": envelope(data="one"),
    "a field of another type": envelope(data={"id": "one"}),
    "a fraction": envelope(data={"id": 1.5}),
    "a missing field": envelope(data={}),
    "no data": envelope(data=None),
    "base64 in place of JSON": envelope(data=None, data_base64="AAE="),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_a_dead_letter_at_once(world, case):
    world.publish(envelope(100), UNREADABLE[case], envelope(101))
    world.start(write)
    settled(world, 3)
    assert sorted(world.outcomes()) == ["applied", "applied", "dead"]
    assert (world.applied(), world.errors()) == ([100, 101], {"InvalidPayload"})
    (letter,) = world.letters()
    assert (letter.body, letter.attempts) == (UNREADABLE[case], 1)


UNUSUAL = {
    "no time": envelope(time=None),
    "an empty time": envelope(time=""),
    "a time that is a number": envelope(time=1e300),
    "a time of no calendar": envelope(time="2024-02-31T25:61:61Z"),
    "the first moment": envelope(time="0001-01-01T00:00:00+14:00"),
    "the last moment": envelope(time="9999-12-31T23:59:59.999999-14:00"),
    "nanoseconds": envelope(time="2024-01-01T00:00:00.123456789Z"),
    "a long time": envelope(time="2" * 1_000_000),
    "no source": envelope(source=None),
    "an empty source": envelope(source=""),
    "no id": envelope(id=None),
    "an empty id": envelope(id=""),
    "a type that is a number": envelope(type=7),
    "a traceparent that is a list": envelope(traceparent=["00"]),
    "a traceparent of nonsense": envelope(traceparent="--" * 1000),
    "extra fields": envelope(data={"id": 1, "note": "x", "nested": [{"a": None}]}, extra={"a": 1}),
    "unicode": envelope(data={"id": 1, "größe": "☃", "🎈": "\u202e", "": 0}, ключ="значение"),
    "NUL in a string": envelope(data={"id": 1, "note": "a\0b"}),
    "NUL in a key": envelope(data={"id": 1, "a\0b": 1}),
    "expires never": envelope(expiration="9999-12-31T23:59:59Z"),
    "expires at nonsense": envelope(expiration="soon"),
    "expires at a number": envelope(expiration=7),
    "the same field twice": b'{"id":"e1","data":{"id":2},"data":{"id":1}}',
    "deep beside the payload": (
        b'{"id":"e1","data":{"id":1,"deep":' + b"[" * 900 + b"]" * 900 + b"}}"
    ),
    "a digit string": envelope(data={"id": "1"}),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_what_is_unusual_is_applied(world, case):
    world.publish(envelope(100), UNUSUAL[case], envelope(101))
    world.start(write)
    settled(world, 3)
    assert (world.outcomes(), world.applied()) == (["applied"] * 3, [1, 100, 101])


class State(Enum):
    OPEN = "open"


class Strict(BaseModel):
    """What is no string in Python, but is one in JSON."""

    model_config = ConfigDict(strict=True)

    id: int
    day: date
    key: UUID
    price: Decimal
    state: State
    tags: tuple[str, ...] = ()


STRICT = {
    "id": 1, "day": "2024-02-29", "key": "9226c2f7-8405-4987-bb6f-c433c219db57", "price": "1.50",
    "state": "open", "tags": ["a"],
}  # fmt: skip


def test_a_strict_payload_takes_what_is_right_in_json(world):
    seen = []

    def handle(self, payload, context):
        seen.append(payload)

    world.publish(envelope(data=STRICT))
    world.start(handle, payload=Strict)
    settled(world, 1)
    (payload,) = seen
    assert (payload.day, payload.price, payload.state) == (
        date(2024, 2, 29), Decimal("1.50"), State.OPEN,
    )  # fmt: skip
    assert (payload.key, payload.tags) == (UUID(STRICT["key"]), ("a",))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": "1"}, "id: Input should be a valid integer"),
        ({"day": "2024-02-30"}, "day: "),
        ({"price": True}, "price: "),
        ({"state": "shut", "id": 1.5}, "and 1 more"),
        ({"tags": "a"}, "tags: Input should be a valid array"),
    ],
)
def test_a_strict_payload_takes_nothing_else(world, wrong, said):
    world.publish(envelope(data={**STRICT, **wrong}))
    world.start(write, payload=Strict)
    settled(world, 1)
    (letter,) = world.letters()
    assert letter.error.startswith("InvalidPayload: ")
    assert said in letter.error


AWKWARD = {
    "NUL": "a\0b",
    "unicode": "ключ ☃ 🎈",
    "long": random.Random(3).randbytes(50_000).hex(),
    "quotes": "';--\"\\",
    "a slash": "a/b/c",
    "a space": " ",
}


@pytest.mark.parametrize("field", ["id", "source"])
@pytest.mark.parametrize("case", AWKWARD)
def test_an_awkward_name_blocks_nobody_and_is_never_applied_twice(world, field, case):
    body = envelope(1, **{field: AWKWARD[case]})
    world.publish(envelope(100), body, envelope(101), body)
    world.start(write)
    settled(world, 4)
    applied = world.applied()
    assert [number for number in applied if number != 1] == [100, 101]
    # Either it is taken, once, or it is a dead letter that tells why.
    assert applied.count(1) == 1 or world.outcomes().count("dead") >= 1


@pytest.mark.parametrize("case", AWKWARD)
def test_an_awkward_name_can_fail_like_any_other(world, case):
    def fail(self, payload, context):
        if payload.id == 1:
            raise RuntimeError("never")
        write(self, payload, context)

    world.publish(envelope(100), envelope(1, id=AWKWARD[case]), envelope(101))
    world.start(fail)
    world.until(lambda: "dead" in world.outcomes())
    world.until(lambda: world.applied() == [100, 101])


@pytest.mark.parametrize("number", [2**31, 2**53 + 1, 2**63, 2**64, -(2**64), 10**100])
def test_a_huge_integer_is_applied_as_it_is_or_not_at_all(world, number):
    body = b'{"id":"e1","data":{"id":%d}}' % number
    seen = []

    def handle(self, payload, context):
        seen.append(payload.id)
        write(self, payload, context)

    world.publish(envelope(100), body, envelope(101))
    world.start(handle)
    world.until(lambda: {100, 101} <= set(world.applied()))
    world.until(lambda: world.outcomes().count("applied") == 3 or "dead" in world.outcomes())
    assert set(seen) <= {100, 101, number}


def test_a_body_of_5_megabytes_is_applied_and_passed_on(world):
    blob = "x" * 5_000_000

    def handle(self, payload, context):
        assert len(payload["blob"]) == len(blob)
        context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload["id"]})
        context.publish("next", payload)

    world.publish(envelope(data={"id": 1, "blob": blob}))
    world.start(handle, payload=dict)
    settled(world, 1)
    assert world.applied() == [1]
    assert [len(body) > len(blob) for body in world.wire("next")] == [True]


def test_a_body_of_5_megabytes_goes_through_the_embedded_broker(world, tmp_path):
    with closing(SqliteTransport(tmp_path / "broker.db")) as broker:
        world.transport = broker
        world.publish(envelope(data={"id": 1, "blob": "x" * 5_000_000}))
        world.start(write)
        settled(world, 1)
        world.close()
    assert (world.outcomes(), world.applied()) == (["applied"], [1])


def test_a_large_body_that_fails_is_kept_whole(world):
    def fail(self, payload, context):
        raise RuntimeError("never")

    body = envelope(data={"id": 1, "blob": "x" * 5_000_000})
    world.publish(body)
    world.start(fail)
    world.until(lambda: "dead" in world.outcomes())
    assert world.letters()[0].body == body


@pytest.mark.parametrize("body", [envelope(id=None), envelope(id=""), b"not JSON"])
def test_without_an_id_the_entrys_name_is_it(world, monkeypatch, body):
    """Redelivered, it is the same event; published again, it is another."""
    settle, refused = MemorySubscription.settle, []

    def refuse_once(self, done, follow_ups):
        if not refused:
            refused.append(len(done))
            raise StorageError("broker away")
        settle(self, done, follow_ups)

    monkeypatch.setattr(MemorySubscription, "settle", refuse_once)
    world.transport.lease = 0.1
    world.publish(body)
    world.start(write)
    settled(world, 2)
    world.publish(body)
    settled(world, 3)
    first = "dead" if world.errors() else "applied"
    assert (refused, world.outcomes()) == ([1], [first, "duplicate", first])
    entries = [entry.entry for entry in world.transport.read("orders", "", 10)]
    assert [record.event_id for record in world.recorder.records] == [
        entries[0], entries[0], entries[1],
    ]  # fmt: skip


def test_the_same_id_from_two_sources_is_two_events(world):
    world.publish(
        envelope(1, id="x", source="web"), envelope(2, id="x", source="app"),
        envelope(3, id="x", source=None), envelope(4, id="x", source=""),
    )  # fmt: skip
    world.start(write)
    settled(world, 4)
    # No source and an empty one are the same source.
    assert (world.applied(), world.outcomes().count("duplicate")) == ([1, 2, 3], 1)


@pytest.mark.parametrize("isolate", [True, False])
def test_a_repeated_id_is_applied_once_with_the_data_that_came_first(world, isolate):
    bodies = [envelope(number, id="x") for number in range(50)]
    world.publish(*bodies)
    world.start(write, attributes={"isolate": isolate})
    settled(world, 50)
    assert (world.applied(), world.outcomes().count("duplicate")) == ([0], 49)


def test_a_repeated_id_is_applied_once_by_two_replicas(world):
    world.publish(*[envelope(n % 100, id=f"e{n % 100}") for n in range(1000)])
    world.start(write, concurrency=2)
    world.start(write, concurrency=2)
    settled(world, 1000)
    assert world.applied() == list(range(100))


@pytest.mark.parametrize(
    "expiration",
    ["2020-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z",
     "2020-01-01T00:00:00", "2020-01-01T02:00:00+02:00", "2020-01-01T00:00:00.123456789Z"],
)  # fmt: skip
@pytest.mark.parametrize("isolate", [True, False])
def test_an_expired_event_is_counted_and_dropped(world, expiration, isolate):
    world.publish(envelope(1, expiration=expiration), envelope(2))
    world.start(write, attributes={"isolate": isolate})
    settled(world, 2)
    assert (sorted(world.outcomes()), world.applied()) == (["applied", "expired"], [2])
    world.until(lambda: world.transport.lag("orders", "shop").events == 0)


def test_an_event_that_was_tried_in_time_does_not_expire_while_it_waits(world):
    attempts, expires = [], time.time() + 0.3

    def handle(self, payload, context):
        attempts.append(context.attempt)
        if context.attempt == 1:
            time.sleep(max(0.0, expires - time.time()))
            raise RuntimeError("not yet")
        write(self, payload, context)

    world.publish(Event("orders", {"id": 1}, id="e1", source="web", expires=expires))
    world.start(handle)
    world.until(lambda: world.applied() == [1])
    assert attempts == [1, 2]
