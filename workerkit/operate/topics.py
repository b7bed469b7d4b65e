"""What flows through a project's topics, and what waits in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.loading import unknown
from ..errors import ConfigurationError, InvalidPayload
from ..events.envelope import Event, decode
from ..events.transport import Broker, Browser, Delivery
from ..storage.database import Database
from ..storage.inspection import count_letters, table_version

LOOK = 0.05
"""Seconds between looks at the topics: an event shows within 0.1 s, for 1 % of a core."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """One event as it lies in a topic; `published` in epoch seconds.

    `entry` is the broker's own name for it; `problem` tells why its envelope
    cannot be read.
    """

    topic: str
    entry: str
    published: float
    id: str
    source: str
    type: str
    traceparent: str
    data: Any
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TopicLag:
    """What one group has not settled of one topic; ages in seconds.

    `group` is empty when nobody reads the topic; then `events` are all of it.
    `parked` and `dead` are those of the whole service, None when the group is
    no service of this project.
    """

    topic: str
    group: str
    events: int
    oldest_age: float
    parked: int | None
    dead: int | None


def tail(
    browser: Browser,
    topics: Sequence[str],
    stop: threading.Event,
    *,
    from_start: bool,
    follow: bool,
) -> Iterator[list[Seen]]:
    """Events as they are published, in batches in the order of their times.

    No *topics* means all of them, new ones included. Ends when *stop* is set,
    or at the end of what there is when not *follow*.
    """
    after = {} if from_start else {t: browser.last(t) for t in topics or browser.topics()}
    while not stop.is_set():
        batch, more = _next(browser, topics or list(browser.topics()), after)
        if batch:
            yield [seen(delivery) for delivery in batch]
        if not more:
            if not follow:
                return
            stop.wait(LOOK)


def lags(
    broker: Broker,
    subscribed: Mapping[str, Sequence[str]],
    databases: Mapping[str, Database],
    topics: Sequence[str],
) -> tuple[TopicLag, ...]:
    """The lag of every group on *topics*, all topics when none is named.

    *subscribed* are topics with the services whose workers listen; groups
    that only the broker knows are shown too.

    Raises:
        ConfigurationError: A topic that nobody knows; says what was meant.
    """
    groups: dict[str, set[str]] = {topic: set(names) for topic, names in broker.topics().items()}
    for topic, services in subscribed.items():
        groups.setdefault(topic, set()).update(services)
    for topic in topics:
        if topic not in groups:
            raise ConfigurationError(unknown("topic", topic, groups))
    letters = {name: _letters(database) for name, database in databases.items()}
    found = []
    for topic in sorted(topics or groups):
        for group in sorted(groups[topic]) or [""]:
            lag = broker.lag(topic, group)
            parked, dead = letters.get(group, (None, None))
            found.append(TopicLag(topic, group, lag.events, lag.oldest_age, parked, dead))
    return tuple(found)


def _next(
    browser: Browser, topics: Sequence[str], after: dict[str, str]
) -> tuple[list[Delivery], bool]:
    """The next events of all *topics* in order, and whether there is more already.

    Of a topic with a full page we know nothing behind its last entry, so what
    is younger elsewhere has to wait for the next turn.
    """
    pages = {topic: browser.read(topic, after.get(topic, ""), _PAGE) for topic in topics}
    full = [page[-1].published for page in pages.values() if len(page) == _PAGE]
    horizon = min(full, default=float("inf"))
    batch: list[Delivery] = []
    for topic, page in pages.items():
        ready = [delivery for delivery in page if delivery.published <= horizon]
        if ready:
            after[topic] = ready[-1].entry
            batch += ready
    batch.sort(key=lambda delivery: delivery.published)
    return batch, bool(full)


def seen(delivery: Delivery) -> Seen:
    """What is in *delivery*, also when its envelope cannot be read."""
    problem = ""
    try:
        event = decode(delivery.body, delivery.topic, delivery.entry)
    except InvalidPayload as error:
        text = delivery.body.decode("utf-8", "replace")
        event, problem = Event(delivery.topic, text, id=delivery.entry), str(error)
    return Seen(
        delivery.topic, delivery.entry, delivery.published, event.id, event.source, event.type,
        event.traceparent, event.data, problem,
    )  # fmt: skip


def _letters(database: Database) -> tuple[int, int]:
    if not table_version(database):
        return 0, 0
    return count_letters(database, dead=False), count_letters(database, dead=True)
