from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from tests.waiting import until
from workerkit.cli.publish import with_seconds
from workerkit.publisher import distance, near_miss, plan, publish


def test_without_data_an_example_in_the_wires_spelling_is_published(shop):
    answer = shop.call("publish", "orders")
    assert answer.code == 0
    assert 'example data: {"orderId":1}' in answer.out
    assert [event["data"] for event in shop.kept("orders")] == [{"orderId": 1}]


def test_data_may_come_from_a_file(shop):
    (shop.path / "order.json").write_text('{"orderId": 8}')
    assert shop.call("publish", "orders", "--data", "@order.json").code == 0
    assert shop.kept("orders")[0]["data"] == {"orderId": 8}


def test_a_slip_in_the_topic_is_refused_and_says_what_was_meant(shop):
    answer = shop.call("publish", "ordesr", "--data", "{}")
    assert answer.code == 2
    assert "did you mean 'orders'? --force" in answer.err
    assert shop.kept("ordesr") == []


def test_force_publishes_to_a_topic_that_looks_mistyped(shop):
    answer = shop.call("publish", "order", "--data", "1", "--force")
    assert answer.code == 0
    assert "nobody in this project listens to 'order'; did you mean 'orders'?" in answer.err
    assert len(shop.kept("order")) == 1


def test_a_topic_without_a_subscriber_gets_its_event_and_a_warning(shop):
    answer = shop.call("publish", "parcels", "--data", "1")
    assert answer.code == 0
    assert "nobody in this project listens to 'parcels' (subscribed topics: orders)" in answer.err
    assert len(shop.kept("parcels")) == 1


def test_a_topic_without_a_subscriber_needs_data(shop):
    answer = shop.call("publish", "parcels")
    assert answer.code == 2
    assert "--data" in answer.err


def test_data_that_the_model_refuses_are_published_with_a_warning(shop):
    answer = shop.call("publish", "orders", "--data", '{"orderId": "seven"}')
    assert answer.code == 0
    assert "shop/order will refuse this payload (dead letter): orderId:" in answer.err
    assert len(shop.kept("orders")) == 1


def test_a_service_that_cannot_be_wired_does_not_stop_an_event(shop):
    shop.write(code="raise RuntimeError('no settings')")
    answer = shop.call("publish", "orders", "--data", "1")
    assert answer.code == 0
    assert "service 'shop' cannot be wired" in answer.err
    assert len(shop.kept("orders")) == 1


def test_wait_tells_the_story_with_its_follow_up(shop):
    shop.start()
    answer = shop.call("publish", "orders", "--id", "first", "--wait", "20", "--json")
    assert answer.code == 0, answer.err
    (story,) = answer.json["stories"]["stories"]
    (told,) = story["consumers"]
    assert (told["consumer"], told["outcome"], told["attempts"]) == ("shop/order", "applied", 1)
    assert told["seconds"] > 0
    (booked,) = shop.kept("orders.booked")
    assert story["follow_ups"] == [
        {"topic": "orders.booked", "id": booked["id"], "consumer": "shop/order"}
    ]


def test_wait_counts_the_attempt_that_failed(shop):
    shop.start()
    answer = shop.call("publish", "orders", "--data", '{"orderId": 14}', "--wait", "20")
    assert answer.code == 0, answer.err
    assert "2 attempts" in answer.out


def test_a_dead_letter_ends_the_wait_with_5_and_names_it(shop):
    shop.start()
    answer = shop.call("publish", "orders", "--data", '{"orderId": 13}', "--id", "bad", "--wait")
    assert answer.code == 5
    assert "ValueError: unlucky" in answer.out
    assert "workerkit dlq show bad" in answer.err


def test_the_same_id_again_is_a_duplicate(shop):
    shop.start()
    for expected in ("applied", "duplicate"):
        answer = shop.call("publish", "orders", "--id", "same", "--wait", "20")
        assert (answer.code, expected in answer.out) == (0, True), answer.out


def test_without_a_worker_the_wait_ends_with_6_and_a_hint(shop):
    answer = shop.call("publish", "orders", "--wait", "0.05")
    assert answer.code == 6
    assert "1 event not settled after 0.05 s: is a worker running? `workerkit status`" in answer.err


def test_waiting_for_nobody_proves_nothing(shop):
    assert shop.call("publish", "parcels", "--data", "1", "--wait").code == 6


def test_the_story_of_many_events_is_a_table_of_counts(shop):
    shop.start()
    answer = shop.call("publish", "orders", "--count", "700", "--wait", "30")
    assert answer.code == 0, answer.err
    assert answer.out.splitlines()[-1].split()[:3] == ["shop/order", "700", "0"]


def test_one_id_for_many_events_is_refused(shop):
    answer = shop.call("publish", "orders", "--id", "x", "--count", "2")
    assert answer.code == 2
    assert "--id with --count" in answer.err


def test_each_event_of_a_rate_has_its_own_due_time(shop):
    with closing(shop.open()) as project:
        published = publish(project, plan(project, "orders"), count=21, rate=200)
    assert published.seconds >= 20 / 200
    gaps = [event.at - published.sent[0].at for event in published.sent]
    assert all(gap >= n / 200 - 0.01 for n, gap in enumerate(gaps))


def test_an_interrupted_publication_knows_exactly_what_went_out(shop):
    stop = threading.Event()
    with closing(shop.open()) as project:
        planned = plan(project, "orders")
        published = publish(
            project, planned, count=5000, stop=stop, progress=lambda sent: stop.set()
        )
    assert published.interrupted
    assert [event.id for event in published.sent] == [e["id"] for e in shop.kept("orders")]


def test_ctrl_c_ends_with_130_and_says_how_many_were_published(shop):
    command = [sys.executable, "-m", "workerkit", "publish", "orders", "--count=9999", "--rate=50"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=shop.path)
    until(lambda: shop.kept("orders"))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"interrupted: published {len(shop.kept('orders'))} of 9999 to orders" in said


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["orders", "--wait"], ["orders", "--wait=30"]),
        (["--wait", "orders"], ["--wait=30", "orders"]),
        (["--wait", "2.5", "orders"], ["--wait", "2.5", "orders"]),
        (["--wait=7"], ["--wait=7"]),
        (["--wait", "--json"], ["--wait=30", "--json"]),
    ],
)
def test_wait_takes_a_number_or_stands_alone(given, read):
    assert with_seconds(given) == read


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("orders", "orders", 0), ("order", "orders", 1), ("odrers", "orders", 1), ("a", "xyz", 3)],
)
def test_a_swap_is_one_edit(one, other, edits):
    assert distance(one, other) == edits


def test_a_topic_beside_a_known_one_is_no_slip():
    known = {"orders", "pricing.price.updated"}
    assert near_miss("orders.booked", known) is None
    assert near_miss("pricing.price.deleted", known) is None
    assert near_miss("pricing.price.updatd", known) == "pricing.price.updated"
