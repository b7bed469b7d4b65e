"""What every transport promises."""

from __future__ import annotations

import threading

import pytest

from tests.dapr_place import arrived
from tests.waiting import until
from workerkit.events.envelope import Event, decode, encode
from workerkit.events.transport import Message
from workerkit.transports.redis_streams import RedisStreamsTransport

ONE_GROUP = "a sidecar has one app-id, which is its group"
NO_ORDER = "Dapr keeps no order, so nobody is handed events alone"
ITS_BROKER = "what Dapr keeps and trims is its broker's; the component's maxLenApprox bounds it"
NO_TRIMMING = "what is kept in memory ends with the process"

DAPR_DIFFERS = {
    "test_events_arrive_in_the_order_of_publication": "Dapr keeps no order",
    "test_every_group_receives_every_event": ONE_GROUP,
    "test_topics_are_listed_with_their_groups": ONE_GROUP,
    "test_an_unknown_topic_is_empty": "the sidecar has joined the topics that were declared",
    "test_what_every_group_has_settled_is_dropped_but_for_the_latest": ITS_BROKER,
    "test_a_long_stretch_is_dropped_at_once": ITS_BROKER,
    "test_nothing_is_dropped_from_a_topic_that_nobody_has_joined": ITS_BROKER,
    "test_browsing_shows_an_entry_under_the_name_it_is_delivered_with": (
        "Dapr hands out an event under a new name each time"
    ),
    "test_who_is_alone_takes_what_others_hold_before_anything_newer": NO_ORDER,
    "test_what_a_former_one_received_late_comes_before_anything_newer": NO_ORDER,
    "test_what_who_is_alone_gave_back_comes_again_before_anything_newer": NO_ORDER,
}
"""What a Dapr sidecar does not promise, and so its transport does not.

Two promises hold in a weaker sense. A lease is this process's own: another
process gets an event when the sidecar loses patience, by its policy's
`timeout` or the component's `processingTimeout`, and then uncounted. What is
released comes again when the sidecar's policy says so.
"""

MEMORY_DIFFERS = {
    "test_what_every_group_has_settled_is_dropped_but_for_the_latest": NO_TRIMMING,
    "test_a_long_stretch_is_dropped_at_once": NO_TRIMMING,
}

DIFFERS = {"dapr": DAPR_DIFFERS, "memory": MEMORY_DIFFERS}
"""By transport, the tests that are not for it, and why."""


@pytest.mark.parametrize("name", DIFFERS)
def test_each_difference_is_that_of_a_test(name):
    assert DIFFERS[name].keys() <= globals().keys()


def messages(*texts: str, topic: str = "t") -> list[Message]:
    return [Message(topic, encode(Event(topic, text))) for text in texts]


def bodies(deliveries) -> list[str]:
    return [decode(each.body, each.topic, each.entry).data for each in deliveries]


def take_over(transport) -> None:
    """Another consumer takes what has lapsed, and holds it."""
    other = transport.subscribe("t", "g")
    taken = other.receive(10, 0)
    transport.lease = 30.0
    other.renew(taken)
    assert taken


@pytest.fixture
def subscription(transport):
    opened = transport.subscribe("t", "g")
    yield opened
    opened.close()


def test_events_arrive_in_the_order_of_publication(transport, subscription):
    transport.publish(messages("a", "b"))
    transport.publish(messages("c"))
    assert bodies(subscription.receive(10, 0)) == ["a", "b", "c"]


def test_a_new_group_starts_at_the_oldest_event(transport):
    transport.publish(messages("early"))
    assert bodies(arrived(transport.subscribe("t", "late"), 1)) == ["early"]


def test_every_group_receives_every_event(transport, subscription):
    other = transport.subscribe("t", "other")
    transport.publish(messages("a"))
    assert bodies(subscription.receive(10, 0)) == bodies(other.receive(10, 0)) == ["a"]


def test_two_consumers_of_a_group_share_its_events(transport, subscription):
    second = transport.subscribe("t", "g")
    transport.publish(messages("a", "b", "c"))
    first = bodies(arrived(subscription, 2, 2))
    assert sorted(first + bodies(arrived(second, 1))) == ["a", "b", "c"]


def test_a_held_event_is_not_delivered_again(transport, subscription):
    transport.publish(messages("a"))
    assert arrived(subscription, 1)
    assert transport.subscribe("t", "g").receive(10, 0) == []


def test_a_lapsed_lease_is_delivered_again_and_counted(transport, subscription):
    transport.lease = -1.0
    transport.publish(messages("a"))
    (first,) = arrived(subscription, 1)
    (again,) = transport.subscribe("t", "g").receive(10, 0)
    assert (first.count, again.count, bodies([again])) == (1, 2, ["a"])


def test_a_renewed_lease_does_not_lapse(transport, subscription):
    transport.lease = -1.0
    transport.publish(messages("a"))
    held = arrived(subscription, 1)
    transport.lease = 30.0
    subscription.renew(held)
    assert transport.subscribe("t", "g").receive(10, 0) == []


def test_a_released_event_comes_back_uncounted(transport, subscription):
    transport.publish(messages("a"))
    subscription.release(arrived(subscription, 1))
    (again,) = arrived(transport.subscribe("t", "g"), 1)
    assert again.count == 1


def test_acknowledging_publishes_the_follow_ups(transport, subscription):
    transport.publish(messages("a"))
    subscription.settle(arrived(subscription, 1), messages("b", topic="next"))
    assert bodies(arrived(transport.subscribe("next", "g"), 1)) == ["b"]
    until(lambda: transport.lag("t", "g").events == 0, 5)


def test_an_acknowledgement_after_losing_the_lease_changes_nothing(transport, subscription):
    transport.lease = -1.0
    transport.publish(messages("a"))
    lost = arrived(subscription, 1)
    take_over(transport)
    subscription.settle(lost, [])
    # XACK is for the group, not for the holder; what is acknowledged has been committed.
    assert transport.lag("t", "g").events == (
        0 if isinstance(transport, RedisStreamsTransport) else 1
    )


def test_renewing_or_releasing_after_losing_the_lease_changes_nothing(transport, subscription):
    transport.lease = -1.0
    transport.publish(messages("a"))
    lost = arrived(subscription, 1)
    take_over(transport)
    subscription.renew(lost)
    subscription.release(lost)
    assert transport.subscribe("t", "g").receive(10, 0) == []


@pytest.fixture
def kept(transport) -> int:
    """How many settled entries a transport keeps to be looked at."""
    return 1000


def test_what_every_group_has_settled_is_dropped_but_for_the_latest(transport, subscription, kept):
    slow = transport.subscribe("t", "slow")
    transport.publish(messages(*(str(n) for n in range(3 * kept))))
    subscription.settle(subscription.receive(10_000, 0), [])
    transport.tidy(["t"])
    assert bodies(transport.read("t", "", 1)) == ["0"]
    late, *done = slow.receive(2 * kept + 500, 0)
    slow.settle(done, [])
    transport.tidy(["t"])
    assert bodies(transport.read("t", "", 1)) == ["0"]
    slow.settle([late], [])
    transport.tidy(["t"])
    assert kept <= len(transport.read("t", "", 10_000)) < kept + 200
    assert transport.lag("t", "slow").events == 500


def test_a_long_stretch_is_dropped_at_once(transport, subscription, kept):
    for _ in range(25):
        transport.publish(messages(*("x" for _ in range(1000))))
        subscription.settle(subscription.receive(10_000, 0), [])
    transport.tidy(["t"])
    assert kept <= len(transport.read("t", "", 100_000)) < kept + 200


def test_nothing_is_dropped_from_a_topic_that_nobody_has_joined(transport, kept):
    transport.publish(messages(*(str(n) for n in range(2 * kept))))
    transport.tidy(["t", "none"])
    assert len(transport.read("t", "", 10_000)) == 2 * kept


def test_lag_counts_what_waits_and_what_is_held(transport, subscription):
    transport.publish(messages("a", "b", "c"))
    arrived(subscription, 2, 2)
    assert transport.lag("t", "g").events == 3


def test_a_waiting_consumer_is_woken_by_a_publication(transport, subscription):
    got: list[str] = []
    waiting = threading.Thread(target=lambda: got.extend(bodies(subscription.receive(10, 10))))
    waiting.start()
    transport.publish(messages("a"))
    waiting.join(5)
    assert got == ["a"]


def test_wake_ends_a_wait(subscription):
    waiting = threading.Thread(target=lambda: subscription.receive(10, 60))
    waiting.start()
    subscription.wake()
    waiting.join(5)
    assert not waiting.is_alive()


def test_browsing_takes_nothing_and_goes_on_where_it_left_off(transport, subscription):
    transport.publish(messages("a", "b", "c"))
    first = transport.read("t", "", 2)
    rest = transport.read("t", first[-1].entry, 10)
    assert (bodies(first), bodies(rest)) == (["a", "b"], ["c"])
    assert rest[-1].entry == transport.last("t")
    assert transport.read("t", transport.last("t"), 10) == []
    assert sorted(bodies(arrived(subscription, 3))) == ["a", "b", "c"]


def test_the_latest_entries_are_those_at_the_end_in_their_order(transport):
    transport.publish([*messages("other", topic="u"), *messages("a", "b", "c")])
    assert bodies(transport.latest("t", 2)) == ["b", "c"]
    assert transport.latest("t", 2)[-1].entry == transport.last("t")
    assert transport.latest("t", 9) == transport.read("t", "", 9)
    assert transport.latest("none", 9) == []


def test_browsing_shows_an_entry_under_the_name_it_is_delivered_with(transport, subscription):
    transport.publish([*messages("other", topic="u"), *messages("a")])
    (seen,), (taken,) = transport.read("t", "", 10), subscription.receive(10, 0)
    assert (seen.entry, seen.published, seen.count) == (taken.entry, taken.published, 0)


def test_topics_are_listed_with_their_groups(transport):
    transport.publish([*messages("a"), *messages("b", topic="nobody-listens")])
    transport.subscribe("t", "two")
    transport.subscribe("t", "one")
    transport.subscribe("silent", "one")
    assert transport.topics() == {"nobody-listens": [], "silent": ["one"], "t": ["one", "two"]}


def test_an_unknown_topic_is_empty(transport):
    assert (transport.last("none"), transport.read("none", "", 5)) == ("", [])
    assert transport.topics() == {}


def test_who_is_alone_takes_what_others_hold_before_anything_newer(transport):
    transport.subscribe("t", "g")
    transport.publish(messages("a", "b", "c", "d"))
    frozen = transport.subscribe("t", "g", alone=True)
    assert bodies(frozen.receive(3, 0)) == ["a", "b", "c"]
    active = transport.subscribe("t", "g", alone=True)
    assert bodies(active.receive(1, 0)) in (["a", "b", "c"], ["a", "b", "c", "d"])


def test_what_a_former_one_received_late_comes_before_anything_newer(transport):
    former = transport.subscribe("t", "g", alone=True)
    active = transport.subscribe("t", "g", alone=True)
    transport.publish(messages("a"))
    late = former.receive(10, 0)
    transport.publish(messages("b", "c"))
    taken = active.receive(10, 0)
    assert bodies(taken) == ["a", "b", "c"]
    former.release(late)
    assert active.receive(10, 0) == []
    active.settle(taken, [])
    assert transport.lag("t", "g").events == 0


def test_what_who_is_alone_gave_back_comes_again_before_anything_newer(transport):
    active = transport.subscribe("t", "g", alone=True)
    transport.publish(messages("a", "b"))
    active.release(active.receive(10, 0))
    transport.publish(messages("c"))
    assert bodies(active.receive(10, 0)) == ["a", "b", "c"]
