"""`workerkit events trace`: what came of an event, from records that are there anyway."""

from __future__ import annotations

import time
from contextlib import closing

import pytest

from tests.shops import Shop
from tests.waiting import until
from workerkit.core.trace import of_run, trace_id
from workerkit.events.envelope import Event
from workerkit.storage.inspection import settlements

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"

TWO_WORKERS = """
from workerkit import CronJob, EventWorker, Service


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        context.publish("parcels", {})
        context.publish("parcels", {})


class ParcelWorker(EventWorker[dict]):
    topic = "parcels"

    def handle(self, parcel, context):
        context.publish("bills", {})


class DailyJob(CronJob):
    schedule = "0 3 * * *"

    def run(self, context):
        context.publish("orders", {})


def wire(settings):
    return Service("shop", events=[OrderWorker(), ParcelWorker()], cron=[DailyJob()])
"""


def event(id: str, order_id: int = 7, traceparent: str = "") -> Event:
    return Event("orders", {"orderId": order_id}, id=id, source="web", time=time.time(),
                 traceparent=traceparent)  # fmt: skip


def settled(shop: Shop, count: int) -> None:
    """Publishes nothing; waits until the inbox holds *count* events."""
    process = shop.start()
    until(lambda: sum(w.jobs_processed + w.jobs_failed for w in process.health().workers) >= count)
    shop.close()


def steps(shop: Shop, id: str) -> list[tuple[int, str, str, str]]:
    answer = shop.call("events", "trace", id, "--json")
    assert answer.code == 0, answer.err
    return [(s["depth"], s["what"], s["name"], s["outcome"]) for s in answer.json["steps"]]


APPLIED = [
    (0, "publish", "orders", ""),
    (1, "handle", "shop/order", "applied"),
    (2, "publish", "orders.booked", ""),
]


def test_an_event_is_followed_to_what_it_caused(shop):
    shop.publish("orders", event("a"), event("b"))
    settled(shop, 2)
    assert steps(shop, "a") == APPLIED
    answer = shop.call("events", "trace", "a")
    assert answer.out.startswith(f"trace {trace_id('', 'a')}: 3 steps, ")
    told = shop.call("events", "trace", "a", "--json").json["steps"]
    assert told[0]["ended"] == told[1]["began"] <= told[1]["ended"] == told[2]["began"]
    assert told[2]["began"] < told[2]["ended"]
    assert "b" not in [line.split()[1] for line in answer.out.splitlines()[2:]]


def test_a_trace_is_found_by_its_own_id_and_by_that_of_any_of_its_events(shop):
    shop.publish("orders", event("a", traceparent=PARENT))
    settled(shop, 1)
    (booked,) = shop.kept("orders.booked")
    assert booked["traceparent"][:36] == PARENT[:36]
    assert booked["traceparent"][36:52] not in PARENT
    assert steps(shop, TRACE) == steps(shop, "a") == steps(shop, booked["id"]) == APPLIED


def test_what_waits_is_parked_or_was_given_up_says_so(shop):
    shop.publish("orders", event("a"))
    assert steps(shop, "a")[1] == (1, "handle", "shop/order", "waiting")
    shop.bury("dead")
    assert steps(shop, "dead")[1] == (1, "handle", "shop/order", "dead")
    assert "shop/order: ValueError: unlucky" in shop.call("events", "trace", "dead").out


def test_an_event_is_found_when_its_topic_has_forgotten_it(shop, monkeypatch):
    shop.publish("orders", event("a"), event("b"))
    settled(shop, 2)
    monkeypatch.setattr("workerkit.transports.sqlite.KEPT", 1)
    with closing(shop.broker()) as broker:
        broker.tidy(["orders"])
    assert [kept["id"] for kept in shop.kept("orders")] == ["b"]
    assert steps(shop, "a") == APPLIED
    assert "the topic has forgotten it" in shop.call("events", "trace", "a").out


def test_a_follow_up_that_its_topic_has_forgotten_is_found_in_its_consumers_inbox(
    shop, monkeypatch
):
    shop.write(code=TWO_WORKERS)
    shop.publish("orders", event("a"))
    settled(shop, 3)
    before = steps(shop, "a")
    monkeypatch.setattr("workerkit.transports.sqlite.KEPT", 1)
    with closing(shop.broker()) as broker:
        broker.tidy(["parcels"])
    assert len(shop.kept("parcels")) == 1
    asked = []
    monkeypatch.setattr(
        "workerkit.trail.settlements", lambda *about: asked.append(about) or settlements(*about)
    )
    assert sorted(steps(shop, "a")) == sorted(before)
    events, consumers = 3, 2
    assert len(asked) == events * (1 + consumers), "one question for all that may have followed"


def test_a_run_of_a_job_is_where_its_events_begin(shop):
    shop.write(code=TWO_WORKERS)
    assert shop.call("cron", "trigger", "daily", "--wait").code == 0
    settled(shop, 3)
    (order,) = shop.kept("orders")
    (run,) = shop.call("cron", "history", "daily", "--json").json
    trace = of_run("shop/daily", run["tick"], run["token"])
    assert order["traceparent"] == trace
    parcel = [
        (3, "publish", "parcels", ""), (4, "handle", "shop/parcel", "applied"),
        (5, "publish", "bills", ""),
    ]  # fmt: skip
    expected = [
        (0, "run", "shop/daily", "succeeded"), (1, "publish", "orders", ""),
        (2, "handle", "shop/order", "applied"), *parcel, *parcel,
    ]  # fmt: skip
    assert steps(shop, order["id"]) == steps(shop, trace[3:35]) == expected


@pytest.mark.parametrize("id", ["nobody", TRACE, "\\x00", "x" * 5000])
def test_what_nobody_knows_is_said_in_one_line(shop, id):
    shop.publish("orders", event("a"))
    answer = shop.call("events", "trace", id)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert "no event and no trace" in answer.err
