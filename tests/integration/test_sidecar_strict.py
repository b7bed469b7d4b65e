"""A strict sidecar loses, repeats and delays what Dapr 1.18 was measured to; the kind one does not.

Each test runs both, so that what strict takes away is seen to be there without it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import orjson
import pytest

from tests.ports import free_port
from tests.sidecar_app import CalledApp
from tests.waiting import until
from workerkit.core.clock import SystemClock
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.sidecar import App, Policy, PubSub, Sidecar
from workerkit.sidecar.feed import Feed, Handed, Status
from workerkit.sidecar.stream import Stream
from workerkit.transports.memory import MemoryTransport

ORDERS = {"pubsubname": "pubsub", "topic": "orders", "route": "/events"}
BULK = {**ORDERS, "bulkSubscribe": {"enabled": True, "maxMessagesCount": 100,
                                    "maxAwaitDurationMs": 20}}  # fmt: skip
LEASE = 30.0


class Clock(SystemClock):
    """The broker's clock, which a test sets forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class World:
    """A broker in memory, and what is opened on it."""

    def __init__(self, stack: ExitStack) -> None:
        self.clock = Clock()
        self.transport = MemoryTransport(LEASE, self.clock)
        self._stack = stack

    def pubsub(self, **options: Any) -> PubSub:
        pubsub = PubSub("pubsub", self.transport, **{"lease": LEASE, **options})
        self._stack.callback(pubsub.closing.set)
        return pubsub

    def call(self, app: CalledApp | int, **options: Any) -> None:
        port = app if isinstance(app, int) else app.port
        sidecar = Sidecar([self.pubsub(**options)], app_id="a", apps=[App("a", port)], port=0)
        sidecar.start()
        self._stack.callback(sidecar.stop, 1)

    def app(self, *declared: dict[str, Any], port: int = 0) -> CalledApp:
        app = CalledApp(*declared, port=port)
        self._stack.callback(app.stop)
        return app

    def publish(self, *data: Any, topic: str = "orders", **attributes: Any) -> None:
        events = [Event(topic, each, source="test", time=1.0, **attributes) for each in data]
        self.transport.publish([Message(topic, encode(event)) for event in events])

    def left(self, topic: str = "orders") -> int:
        return self.transport.lag(topic, "a").events

    def client(self, **options: Any) -> Client:
        client = Client(Feed(self.pubsub(**options), "orders", "a"))
        self._stack.callback(client.close)
        return client


class Client:
    """A streaming client without a network."""

    def __init__(self, feed: Feed) -> None:
        self.got: list[Any] = []
        self._stream = Stream(feed, self._write)
        self._open = True

    def answer(self, event_id: str) -> None:
        self._stream.answer(event_id, Status.SUCCESS)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._stream.close()

    def _write(self, events: list[Handed]) -> None:
        self.got += [orjson.loads(event.delivery.body)["data"] for event in events]


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


@pytest.fixture(params=[True, False], ids=["strict", "kind"])
def strict(request) -> bool:
    return request.param


@pytest.mark.parametrize("declared", [ORDERS, BULK], ids=["one by one", "bulk"])
@pytest.mark.parametrize("answer", ["RETRY", 500])
def test_a_failed_event_is_acknowledged(world, strict, declared, answer):
    app = world.app(declared)
    app.answer = lambda event: answer
    world.publish(1)
    world.call(app, strict=strict)
    until(lambda: (world.left() == 0) if strict else len(app.events) > 1)
    assert (len(app.events) == 1, world.left()) == ((True, 0) if strict else (False, 1))


def test_failed_events_are_tried_again_although_the_component_is_full(world, strict):
    app = world.app(ORDERS)
    tried: Counter[int] = Counter()

    def fail_once(event: dict[str, Any]) -> Any:
        tried[event["data"]] += 1
        return "RETRY" if tried[event["data"]] == 1 else "SUCCESS"

    app.answer = fail_once
    world.publish(*range(20))
    world.call(app, strict=strict, concurrency=2, policy=Policy(first=0.001, cap=0.002, most=5))
    until(lambda: world.left() == 0, 10)
    assert tried == Counter(dict.fromkeys(range(20), 2))


def test_events_of_an_app_that_died_are_acknowledged(world, strict):
    port = free_port()
    app = world.app(ORDERS, port=port)
    world.call(app, strict=strict)
    world.publish(0)
    until(lambda: app.data() == [0])
    app.stop()
    world.publish(1, 2, 3)
    if strict:
        until(lambda: world.left() == 0)
    back = world.app(ORDERS, port=port)
    world.publish(4)
    until(lambda: 4 in back.data() and world.left() == 0)
    assert sorted(back.data()) == ([4] if strict else [1, 2, 3, 4])


def test_with_a_policy_a_failed_event_comes_again_even_here(world):
    app = world.app(ORDERS)
    app.answer = lambda event: "RETRY" if len(app.events) < 4 else "SUCCESS"
    world.publish(1)
    world.call(app, strict=True, policy=Policy(most=None, first=0.01))
    until(lambda: world.left() == 0)
    assert app.data() == [1, 1, 1, 1]


def test_ten_unanswered_events_stall_every_topic_of_the_component(world, strict):
    app = world.app(ORDERS, {**ORDERS, "topic": "other"})
    answered = threading.Event()
    app.answer = lambda event: answered if event["topic"] == "orders" else "SUCCESS"
    world.publish(*range(10))
    world.call(app, strict=strict)
    until(lambda: len(app.events) == 10)
    world.publish("late", topic="other")
    if strict:
        until(lambda: world.transport.groups["other", "a"].held)  # it is in hand, and stays there
    else:
        until(lambda: world.left("other") == 0)
    assert ("late" in app.data()) is not strict
    answered.set()
    until(lambda: world.left("other") == 0)


def test_a_policys_timeout_ends_the_stall(world):
    app = world.app(ORDERS, {**ORDERS, "topic": "other"})
    never = threading.Event()
    app.answer = lambda event: never if event["topic"] == "orders" else "SUCCESS"
    world.publish(*range(10))
    world.call(app, strict=True, policy=Policy(timeout=0.2))
    world.publish("late", topic="other")
    until(lambda: world.left("other") == 0)
    never.set()


def test_a_bulk_is_no_larger_than_the_components_concurrency(world, strict):
    app = world.app(BULK)
    world.publish(*range(9))
    world.call(app, strict=strict, concurrency=3)
    until(lambda: world.left() == 0)
    sizes = [len(each["entries"]) for each in app.requests]
    assert sizes == ([3, 3, 3] if strict else [9])


def test_order_is_lost(world, strict):
    client = world.client(strict=strict, concurrency=100)
    world.publish(*range(100))
    until(lambda: len(client.got) == 100)
    assert sorted(client.got) == list(range(100))
    assert (client.got == list(range(100))) is not strict


def test_answers_for_one_id_are_mixed_up(world, strict):
    client = world.client(strict=strict)
    world.publish(1, 2, id="twin")
    until(lambda: len(client.got) == (2 if strict else 1))
    for n in (1, 2):
        until(lambda n=n: len(client.got) >= n)
        client.answer("twin")
    if not strict:
        until(lambda: world.left() == 0)
        return
    until(lambda: world.left() == 1)
    world.clock.ahead = 2 * LEASE  # the one that was never answered comes again
    until(lambda: len(client.got) == 3)


def test_what_a_dead_client_held_comes_again_after_a_lease(world, strict):
    dead = world.client(strict=strict)
    world.publish(1)
    until(lambda: dead.got == [1])
    dead.close()
    if strict:
        (held,) = world.transport.groups["orders", "a"].held.values()
        assert held.until > world.clock.time()
        world.clock.ahead = 2 * LEASE
    following = world.client(strict=strict)
    until(lambda: following.got == [1])


def test_an_event_that_takes_longer_than_a_lease_comes_again(world, strict):
    world.transport.lease = 0.4
    client = world.client(strict=strict, lease=0.4)
    world.publish(1)
    until(lambda: client.got)
    (held,) = world.transport.groups["orders", "a"].held.values()
    first = held.until
    if strict:
        until(lambda: client.got == [1, 1])
    else:
        until(lambda: held.until > first + 1.0)
        assert client.got == [1]


def test_a_closed_stream_takes_one_more_batch_with_it(world, strict):
    world.client(strict=strict).close()
    world.publish(1, 2)
    if strict:
        until(lambda: len(world.transport.groups["orders", "a"].held) == 2)
    following = world.client(strict=strict)
    world.publish(3)
    until(lambda: 3 in following.got)
    assert sorted(following.got) == ([3] if strict else [1, 2, 3])
    if strict:
        world.clock.ahead = 2 * LEASE
        until(lambda: {1, 2} <= set(following.got))
