"""What a Dapr sidecar is answered, and when."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import orjson
import pytest

from workerkit.errors import ConfigurationError
from workerkit.testing import FakeClock
from workerkit.transports.dapr import DaprOptions, DaprTransport


class Asked:
    """One request to the callbacks, on a thread of its own."""

    def __init__(self, app: Any, method: str, path: str, body: bytes = b"") -> None:
        self.status = 0
        self.answer: Any = None
        self.hang_up = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._ask(app, method, path, body)), daemon=True
        )
        self._thread.start()

    @property
    def open(self) -> bool:
        return self._thread.is_alive()

    def done(self) -> Asked:
        self._thread.join(5)
        assert not self.open, "no answer"
        return self

    @property
    def statuses(self) -> dict[str, str]:
        return {each["entryId"]: each["status"] for each in self.answer["statuses"]}

    async def _ask(self, app: Any, method: str, path: str, body: bytes) -> None:
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body}
            await asyncio.to_thread(self.hang_up.wait, 5)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            self.status = message.get("status", self.status)
            if "body" in message:
                self.answer = orjson.loads(message["body"])
                self.hang_up.set()

        await app({"type": "http", "method": method, "path": path}, receive, send)


class Sidecar:
    """What a sidecar sends to *transport*."""

    def __init__(self, transport: DaprTransport) -> None:
        self.app = transport.callbacks

    def get(self, path: str) -> Asked:
        return Asked(self.app, "GET", path).done()

    def post(self, path: str, value: Any) -> Asked:
        return Asked(self.app, "POST", path, orjson.dumps(value))

    def bulk(self, *events: Any, topic: str = "orders", first: int = 0) -> Asked:
        """Entries e0, e1, ... from number *first* on."""
        entries = [
            {"entryId": f"e{n}", "event": event, "contentType": "application/cloudevents+json"}
            for n, event in enumerate(events, first)
        ]
        body = {"id": "1", "entries": entries, "type": "com.dapr.event.sent.bulk", "topic": topic}
        return self.post(f"/events/{topic}", body)


def event(number: int, **more: Any) -> dict[str, Any]:
    given = {"id": f"id-{number}", "source": "web", "specversion": "1.0", "data": {"n": number}}
    return {**given, **more}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def transport(clock) -> DaprTransport:
    return DaprTransport(DaprOptions(), lease=30.0, clock=clock)


@pytest.fixture
def subscription(transport):
    return transport.subscribe("orders", "shop")


@pytest.fixture
def sidecar(transport, subscription) -> Sidecar:
    return Sidecar(transport)


def test_topics_are_declared_with_bulk_and_a_dead_letter_topic(transport, sidecar):
    transport.subscribe("a/b c", "shop")
    first, second = sidecar.get("/dapr/subscribe").answer
    assert first["route"] == "/events/a%2Fb%20c"
    assert second == {
        "pubsubname": "pubsub",
        "topic": "orders",
        "route": "/events/orders",
        "deadLetterTopic": "orders.dead",
        "bulkSubscribe": {"enabled": True, "maxMessagesCount": 100, "maxAwaitDurationMs": 10},
    }


def test_a_topic_with_a_slash_is_found_by_the_path_that_a_server_decodes(transport, sidecar):
    slashed = transport.subscribe("a/b c", "shop")
    asked = sidecar.bulk(event(1), topic="a/b c")
    slashed.settle(slashed.receive(10, 5), [])
    assert asked.done().statuses == {"e0": "SUCCESS"}


def test_a_bulk_is_answered_when_the_last_of_it_is_settled(subscription, sidecar):
    asked = sidecar.bulk(event(1), event(2))
    one, two = subscription.receive(10, 5)
    subscription.settle([one], [])
    assert asked.open
    subscription.settle([two], [])
    assert asked.done().statuses == {"e0": "SUCCESS", "e1": "SUCCESS"}


def test_what_is_given_back_is_to_be_tried_again(subscription, sidecar):
    asked = sidecar.bulk(event(1), event(2))
    one, two = subscription.receive(10, 5)
    subscription.settle([one], [])
    subscription.release([two])
    assert asked.done().statuses == {"e0": "SUCCESS", "e1": "RETRY"}


def test_an_event_is_settled_although_its_follow_up_could_not_be_published(
    subscription, sidecar, transport, monkeypatch
):
    def fail(messages: Any) -> None:
        raise OSError("no sidecar")

    monkeypatch.setattr(transport.client, "publish", fail)
    asked = sidecar.bulk(event(1))
    with pytest.raises(OSError, match="no sidecar"):
        subscription.settle(subscription.receive(10, 5), [object()])
    assert asked.done().statuses == {"e0": "SUCCESS"}


def test_a_single_event_is_answered_with_one_status(subscription, sidecar):
    asked = sidecar.post("/events/orders", event(1))
    (delivery,) = subscription.receive(10, 5)
    assert orjson.loads(delivery.body) == event(1)
    subscription.settle([delivery], [])
    assert asked.done().answer == {"status": "SUCCESS"}


def test_an_event_with_data_that_look_like_a_bulk_is_a_single_event(subscription, sidecar):
    sidecar.post("/events/orders", event(1, entries=[{"entryId": "x"}]))
    (delivery,) = subscription.receive(10, 5)
    assert orjson.loads(delivery.body)["id"] == "id-1"


def test_an_event_keeps_its_envelope_and_its_time(subscription, sidecar):
    sidecar.bulk(event(1, time="2026-11-24T03:42:33Z", colour="red"))
    (delivery,) = subscription.receive(10, 5)
    assert orjson.loads(delivery.body)["colour"] == "red"
    assert delivery.published == 1795491753.0


def test_an_event_that_comes_again_while_it_is_worked_on_joins_the_first(subscription, sidecar):
    first = sidecar.bulk(event(1))
    (delivery,) = subscription.receive(10, 5)
    again = sidecar.bulk(event(1), event(2), first=5)
    (other,) = subscription.receive(10, 5)
    assert orjson.loads(other.body)["id"] == "id-2"
    subscription.settle([delivery, other], [])
    assert first.done().statuses == {"e0": "SUCCESS"}
    assert again.done().statuses == {"e5": "SUCCESS", "e6": "SUCCESS"}


def test_an_event_that_comes_again_after_its_outcome_is_a_delivery_of_its_own(
    subscription, sidecar
):
    for _ in range(2):
        asked = sidecar.bulk(event(1))
        subscription.settle(subscription.receive(10, 5), [])
        assert asked.done().statuses == {"e0": "SUCCESS"}


def test_events_without_an_id_are_not_taken_for_one(subscription, sidecar):
    sidecar.bulk({"x": 1}, {"x": 1}, None, "text", {"id": ["odd"], "source": {}})
    bodies = [orjson.loads(delivery.body) for delivery in subscription.receive(10, 5)]
    assert bodies == [{"x": 1}, {"x": 1}, None, "text", {"id": ["odd"], "source": {}}]


def test_an_event_that_nobody_renews_comes_again_counted(subscription, sidecar, clock):
    asked = sidecar.bulk(event(1), event(2))
    lost, kept = subscription.receive(10, 5)
    clock.advance(20)
    subscription.renew([kept])
    clock.advance(20)
    (again,) = subscription.receive(10, 0)
    assert (again.entry, again.count, kept.count) == (lost.entry, 2, 1)
    subscription.settle([again, kept], [])
    assert asked.done().statuses == {"e0": "SUCCESS", "e1": "SUCCESS"}


def test_a_sidecar_that_hangs_up_does_not_undo_an_event(subscription, sidecar):
    asked = sidecar.bulk(event(1))
    (delivery,) = subscription.receive(10, 5)
    asked.hang_up.set()
    assert asked.done().status == 0
    again = sidecar.bulk(event(1), event(2))
    (other,) = subscription.receive(10, 5)
    assert orjson.loads(other.body)["id"] == "id-2"
    subscription.settle([delivery, other], [])
    assert again.done().statuses == {"e0": "SUCCESS", "e1": "SUCCESS"}


@pytest.mark.parametrize("path", ["/events/unknown", "/orders", "/events/", "/"])
def test_events_for_nobody_are_never_answered_with_404_which_drops_them(sidecar, path):
    assert sidecar.post(path, event(1)).done().status == 503


def test_an_unreadable_request_is_not_dropped_either(transport, sidecar):
    assert Asked(transport.callbacks, "POST", "/events/orders", b"{").done().status == 400


def test_an_empty_bulk_is_answered_at_once(sidecar):
    assert sidecar.bulk().done().answer == {"statuses": []}


def test_whoever_stops_finishes_what_it_has_begun_and_takes_no_more(
    transport, subscription, sidecar
):
    asked = sidecar.bulk(event(1))
    deliveries = subscription.receive(10, 5)
    stopping = threading.Thread(target=lambda: transport.callbacks.drain(5))
    stopping.start()
    assert asked.open
    while sidecar.get("/healthz").status == 200:
        pass
    assert sidecar.bulk(event(2)).done().statuses == {"e0": "RETRY"}
    subscription.settle(deliveries, [])
    stopping.join(5)
    assert asked.done().statuses == {"e0": "SUCCESS"}


def test_what_is_not_done_in_time_is_to_be_tried_again(transport, subscription, sidecar):
    asked = sidecar.bulk(event(1), event(2))
    begun = subscription.receive(1, 5)
    transport.callbacks.drain(0)
    assert asked.done().statuses == {"e0": "RETRY", "e1": "RETRY"}
    subscription.settle(begun, [])


def test_a_worker_that_starts_again_takes_events_again(transport, subscription, sidecar):
    transport.callbacks.drain(0)
    again = transport.subscribe("orders", "shop")
    asked = sidecar.bulk(event(1))
    again.settle(again.receive(10, 5), [])
    assert asked.done().statuses == {"e0": "SUCCESS"}


def test_an_event_that_was_in_a_killed_process_comes_counted(clock, tmp_path):
    for number in (1, 2, 3):
        transport = DaprTransport(DaprOptions(), clock=clock, hands=tmp_path)
        subscription = transport.subscribe("orders", "shop")
        Sidecar(transport).bulk(event(1))
        (delivery,) = subscription.receive(10, 5)
        assert delivery.count == number
        os.close(transport.inbounds["orders"].hand._file)


def test_an_event_that_was_given_back_comes_uncounted(clock, tmp_path):
    transport = DaprTransport(DaprOptions(), clock=clock, hands=tmp_path)
    subscription = transport.subscribe("orders", "shop")
    asked = Sidecar(transport).bulk(event(1), event(2))
    one, two = subscription.receive(10, 5)
    subscription.settle([one], [])
    subscription.release([two])
    asked.done()
    os.close(transport.inbounds["orders"].hand._file)
    again = DaprTransport(DaprOptions(), clock=clock, hands=tmp_path).subscribe("orders", "shop")
    assert again.inbound.hand.before == {}


def test_strict_order_is_refused(transport):
    with pytest.raises(ConfigurationError, match="order"):
        transport.subscribe("orders", "shop", alone=True)
