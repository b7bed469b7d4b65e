from __future__ import annotations

import threading
import time
from contextlib import closing

import orjson

from tests.waiting import until
from workerkit.events.envelope import Event
from workerkit.events.transport import Message
from workerkit.operate import topics
from workerkit.operate.topics import tail


def event(id: str, data: object = 1, topic: str = "orders") -> Event:
    return Event(topic, data, id=id, source="web", time=time.time())


def test_tail_shows_what_is_kept_in_the_order_of_publication(shop):
    shop.publish("orders", event("a"))
    shop.publish("parcels", event("b"))
    shop.publish("orders", event("c"))
    answer = shop.call("events", "tail", "--no-follow")
    assert answer.code == 0
    assert [line.split()[1:4] for line in answer.out.splitlines()] == [
        ["orders", "a", "web"], ["parcels", "b", "web"], ["orders", "c", "web"]
    ]  # fmt: skip


def test_tail_of_one_topic_as_json_has_one_object_a_line(shop):
    shop.publish("orders", event("a", {"orderId": 1}), event("b"))
    shop.publish("parcels", event("c"))
    answer = shop.call("events", "tail", "orders", "--no-follow", "--json")
    lines = [orjson.loads(line) for line in answer.out.splitlines()]
    assert [(line["id"], line["data"]) for line in lines] == [("a", {"orderId": 1}), ("b", 1)]


def test_tail_ends_after_count_events(shop):
    shop.publish("orders", *(event(str(n)) for n in range(5)))
    answer = shop.call("events", "tail", "--from-start", "--count", "2")
    assert (answer.code, len(answer.out.splitlines())) == (0, 2)


def test_tail_shows_an_envelope_that_cannot_be_read(shop):
    shop.publish("orders", b"no json")
    answer = shop.call("events", "tail", "--no-follow")
    assert "unreadable: the envelope is not JSON" in answer.out
    assert '"no json"' in answer.out


def test_an_event_cannot_steer_the_terminal(shop):
    shop.publish("orders", event("id\x1b[2J", {"text": "[red]\x9b31m\x1b]0;title\x07"}))
    answer = shop.call("events", "tail", "--no-follow")
    assert answer.out.rstrip("\n").isprintable()
    assert "[red]" in answer.out


def test_tail_of_an_unknown_topic_says_what_was_meant_and_goes_on(shop):
    answer = shop.call("events", "tail", "ordrs", "--no-follow")
    assert answer.code == 0
    assert "no topic 'ordrs'; did you mean 'orders'?" in answer.err


def test_tail_wakes_for_new_events_and_new_topics(shop):
    shop.publish("orders", event("old"))
    stop, seen, times = threading.Event(), [], {}

    def follow(broker):
        for batch in tail(broker, [], stop, from_start=False, follow=True):
            times.update({each.id: time.time() - each.published for each in batch})
            seen.extend(each.id for each in batch)

    with closing(shop.broker()) as broker:
        thread = threading.Thread(target=follow, args=(broker,))
        thread.start()
        try:
            until(lambda: shop.publish("orders", event("warm")) or "warm" in seen)
            shop.publish("parcels", event("new", topic="parcels"))
            until(lambda: "new" in seen)
        finally:
            stop.set()
            thread.join(10)
    assert "old" not in seen
    assert times["new"] < 0.1 + 1.0  # the machine may be busy; a look comes every 0.05 s


def test_topics_with_more_than_a_page_are_merged_in_order(shop, monkeypatch):
    monkeypatch.setattr(topics, "_PAGE", 3)
    with closing(shop.broker()) as broker:
        for n in range(20):
            topic = "orders" if n % 4 else "parcels"
            broker.publish([Message(topic, orjson.dumps({"id": str(n)}))])
        batches = tail(broker, [], threading.Event(), from_start=True, follow=False)
        assert [each.id for batch in batches for each in batch] == [str(n) for n in range(20)]


def test_lag_counts_what_waits_and_what_failed(shop):
    shop.bury("letter-1")
    shop.publish("orders", event("a"), event("b"))
    answer = shop.call("events", "lag", "--json")
    rows = {(row["topic"], row["group"]): row for row in answer.json}
    orders = rows["orders", "shop"]
    assert (orders["events"], orders["parked"], orders["dead"]) == (2, 0, 1)
    assert orders["oldest_age"] > 0


def test_lag_names_topics_that_nobody_reads(shop):
    shop.publish("parcels", event("a"))
    lines = shop.call("events", "lag").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["topic", "group", "lag"], ["orders", "shop", "0"], ["parcels", "(nobody)", "1"]
    ]  # fmt: skip


def test_lag_of_an_unknown_topic_says_what_was_meant(shop):
    answer = shop.call("events", "lag", "ordrs")
    assert answer.code == 2
    assert "did you mean 'orders'?" in answer.err


def test_lag_is_shown_for_what_the_broker_knows_when_a_service_is_broken(shop):
    shop.publish("orders", event("a"))
    shop.write(code="raise RuntimeError('broken')")
    answer = shop.call("events", "lag")
    assert (answer.code, "orders" in answer.out) == (0, True)
    assert f"{shop.module}.py:1: RuntimeError: broken" in answer.err
