"""The sidecar calls an app with its events: one by one, in bulk, and again when that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import orjson
import pytest

from tests.ports import free_port
from tests.sidecar_app import CalledApp
from tests.waiting import until
from workerkit.errors import StorageError
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Broker, Message
from workerkit.sidecar import App, Policy, PubSub, Sidecar
from workerkit.transports.redis_streams import RedisStreamsTransport
from workerkit.transports.sqlite import SqliteTransport

ORDERS = {"pubsubname": "pubsub", "topic": "orders", "route": "/events"}
BULK = {**ORDERS, "bulkSubscribe": {"enabled": True, "maxMessagesCount": 10,
                                    "maxAwaitDurationMs": 50}}  # fmt: skip
LETTERS = {"deadLetterTopic": "orders.dead"}
AGAIN = Policy(most=None, first=0.02)


class Beside:
    """A broker file, and sidecars and apps that end with the test."""

    def __init__(self, transport: Broker, stack: ExitStack) -> None:
        self.transport = transport
        self._stack = stack

    def app(self, *declared: dict[str, Any], port: int = 0) -> CalledApp:
        app = CalledApp(*declared, port=port)
        self._stack.callback(app.stop)
        return app

    def sidecar(self, port: int, **pubsub: Any) -> Sidecar:
        sidecar = Sidecar(
            [PubSub("pubsub", self.transport, **{"policy": AGAIN, **pubsub})],
            app_id="app-a", apps=[App("app-a", port, token="secret")], port=0,
        )  # fmt: skip
        sidecar.start()
        self._stack.callback(sidecar.stop, 5)
        return sidecar

    def publish(self, *data: Any, **attributes: Any) -> None:
        events = [Event("orders", each, source="test", time=1.0, **attributes) for each in data]
        self.transport.publish([Message("orders", encode(event)) for event in events])

    def settled(self) -> bool:
        return self.transport.lag("orders", "app-a").events == 0

    def dead(self) -> list[Any]:
        letters = self.transport.read("orders.dead", "", 1000)
        return [orjson.loads(letter.body)["data"] for letter in letters]


@pytest.fixture
def beside(tmp_path) -> Iterator[Beside]:
    transport = SqliteTransport(tmp_path / "broker.db")
    with ExitStack() as stack:
        stack.callback(transport.close)
        yield Beside(transport, stack)


def failing_first(times: int, status: Any = "RETRY") -> Callable[[dict[str, Any]], Any]:
    """Answers *status* to each event until it came *times* times."""
    seen: dict[str, int] = {}

    def answer(event: dict[str, Any]) -> Any:
        seen[event["id"]] = seen.get(event["id"], 0) + 1
        return status if seen[event["id"]] <= times else "SUCCESS"

    return answer


def test_an_event_is_posted_as_it_was_published_with_the_apps_token(beside):
    app = beside.app(ORDERS)
    trace = "00-113ad9c4e42b27583ae98ba698d54255-e3743e35ff56f219-01"
    beside.publish({"id": 7}, traceparent=trace)
    beside.sidecar(app.port)
    until(beside.settled)
    (event,), (headers,) = app.events, app.headers
    assert (event["data"], event["topic"], event["source"]) == ({"id": 7}, "orders", "test")
    assert headers["content-type"] == "application/cloudevents+json"
    assert (headers["dapr-api-token"], headers["traceparent"]) == ("secret", trace)


def test_a_route_may_hold_what_an_address_cannot(beside):
    app = beside.app({**ORDERS, "route": "/é vents"})
    beside.publish(7)
    beside.sidecar(app.port)
    until(beside.settled)
    assert app.data() == [7]


def test_events_come_in_bulk_as_far_as_they_are_there(beside):
    app = beside.app(BULK)
    beside.publish(*range(25))
    beside.sidecar(app.port)
    until(beside.settled)
    assert sorted(app.data()) == list(range(25))
    assert sorted(len(each["entries"]) for each in app.requests) == [5, 10, 10]
    first = app.requests[0]
    assert (first["topic"], first["pubsubname"]) == ("orders", "pubsub")
    assert first["type"] == "com.dapr.event.sent.bulk"
    assert first["entries"][0]["contentType"] == "application/cloudevents+json"


@pytest.mark.parametrize("declared", [ORDERS, BULK], ids=["one by one", "bulk"])
@pytest.mark.parametrize("status", ["RETRY", "NEW", None])
def test_what_is_not_answered_well_comes_again(beside, declared, status):
    app = beside.app(declared)
    app.answer = failing_first(2, status if status or declared is BULK else 500)
    beside.publish(1, 2, 3)
    beside.sidecar(app.port)
    until(beside.settled)
    assert sorted(app.data()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("declared", [ORDERS, BULK], ids=["one by one", "bulk"])
def test_what_is_dropped_goes_to_the_dead_letter_topic(beside, declared):
    app = beside.app({**declared, **LETTERS})
    app.answer = lambda event: "DROP" if event["data"] == 2 else "SUCCESS"
    beside.publish(1, 2, 3)
    beside.sidecar(app.port)
    until(beside.settled)
    assert beside.dead() == [2]
    assert sorted(app.data()) == [1, 2, 3]


@pytest.mark.parametrize("declared", [ORDERS, BULK], ids=["one by one", "bulk"])
def test_what_a_route_that_is_not_there_was_sent_is_dropped(beside, declared):
    app = beside.app({**declared, **LETTERS})
    app.answer = lambda event: 404
    beside.publish(1, 2)
    beside.sidecar(app.port)
    until(beside.settled)
    assert sorted(beside.dead()) == sorted(app.data()) == [1, 2]


def test_after_the_last_retry_an_event_is_a_dead_letter(beside):
    app = beside.app({**BULK, **LETTERS})
    app.answer = lambda event: "RETRY"
    beside.publish(1)
    beside.sidecar(app.port, policy=Policy(most=2, first=0.02))
    until(beside.settled)
    assert (app.data(), beside.dead()) == ([1, 1, 1], [1])


@pytest.mark.parametrize("declared", [ORDERS, BULK], ids=["one by one", "bulk"])
def test_an_app_may_come_late_and_go_and_come_back_with_other_topics(beside, declared):
    port = free_port()
    beside.sidecar(port)
    beside.publish(1)
    first = beside.app(declared, port=port)
    until(beside.settled)
    first.stop()
    beside.publish(2)
    until(lambda: beside.transport.lag("orders", "app-a").events == 1)
    second = beside.app({**declared, "route": "/elsewhere"}, port=port)
    until(beside.settled)
    assert (first.data(), second.data()) == ([1], [2])


def test_an_idle_app_that_comes_to_want_another_topic_gets_it(beside):
    app = beside.app(ORDERS)
    beside.sidecar(app.port)
    until(lambda: beside.transport.topics().get("orders") == ["app-a"])
    app.declared = [{**ORDERS, "topic": "other"}]
    beside.transport.publish([Message("other", encode(Event("other", 1)))])
    until(lambda: app.data() == [1])


def test_an_app_that_is_slow_is_not_gone(beside, caplog):
    app = beside.app(ORDERS)
    slow = threading.Event()
    app.answer = lambda event: slow if len(app.events) == 1 else "SUCCESS"
    beside.publish(1)
    beside.sidecar(app.port, policy=Policy(most=None, first=0.02, timeout=0.1))
    until(beside.settled)
    slow.set()
    assert app.data() == [1, 1]
    assert "app is gone" not in caplog.text


def test_a_broker_that_is_away_when_the_app_subscribes_is_asked_again(beside, monkeypatch):
    subscribe, asked = beside.transport.subscribe, []

    def subscribe_later(topic: str, group: str) -> Any:
        asked.append(topic)
        if len(asked) < 3:
            raise StorageError("away")
        return subscribe(topic, group)

    monkeypatch.setattr(beside.transport, "subscribe", subscribe_later)
    app = beside.app(ORDERS, {**ORDERS, "topic": "other"})
    beside.publish(1)
    beside.sidecar(app.port)
    until(beside.settled)
    assert app.data() == [1]


def test_a_redis_stream_is_served_alike(redis_url):
    transport = RedisStreamsTransport(redis_url)
    with ExitStack() as stack:
        stack.callback(transport.close)
        beside = Beside(transport, stack)
        app = beside.app({**BULK, **LETTERS})
        app.answer = lambda event: "DROP" if event["data"] == 2 else "SUCCESS"
        beside.publish(*range(25))
        beside.sidecar(app.port)
        until(beside.settled)
        assert (sorted(app.data()), beside.dead()) == (list(range(25)), [2])


def test_rules_choose_the_route_and_what_fits_none_is_dropped(beside):
    rules = [{"match": 'event.type == "made"', "path": "/made"}]
    app = beside.app({"pubsubname": "pubsub", "topic": "orders", "routes": {"rules": rules}})
    beside.publish(1, type="made")
    beside.publish(2, type="other")
    beside.sidecar(app.port)
    until(beside.settled)
    assert app.data() == [1]


def test_an_expired_event_and_one_without_an_envelope_do_not_arrive(beside):
    app = beside.app({**ORDERS, **LETTERS})
    beside.publish(1, expires=2.0)
    beside.transport.publish([Message("orders", b"no JSON")])
    beside.publish(3)
    beside.sidecar(app.port)
    until(beside.settled)
    assert app.data() == [3]
    assert len(beside.transport.read("orders.dead", "", 10)) == 2


def test_raw_payloads_arrive_in_base64(beside):
    raw = {"metadata": {"rawPayload": "true"}}
    app = beside.app({**BULK, **raw}, {**ORDERS, **raw, "topic": "singles"})
    app.answer = lambda event: "SUCCESS"
    beside.transport.publish([Message("orders", b"\xff"), Message("singles", b"\xff")])
    beside.sidecar(app.port)
    until(lambda: beside.settled() and len(app.requests) == 2)
    bulk, single = sorted(app.requests, key=lambda each: "entries" not in each)
    (entry,) = bulk["entries"]
    assert (entry["event"], entry["contentType"]) == ("/w==", "application/octet-stream")
    assert single["data_base64"] == "/w=="


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({**ORDERS, "pubsubname": "pubsup"}, "did you mean 'pubsub'?"),
        ({"pubsubname": "pubsub", "topic": "orders"}, "topic orders: has no route"),
        ({**ORDERS, "routes": {"rules": [{"match": "size(event) > 1", "path": "/x"}]}},
         "the rule 'size(event) > 1' is not supported"),
        ({**ORDERS, "topic": ""}, "0.topic: String should have at least 1 character"),
    ],
)  # fmt: skip
def test_a_subscription_that_cannot_be_served_is_told_and_nothing_is_taken(
    beside, caplog, declared, said
):
    beside.publish(1)
    beside.sidecar(beside.app(declared).port)
    until(lambda: any(said in getattr(record, "error", "") for record in caplog.records))
    assert beside.transport.topics() == {"orders": []}
