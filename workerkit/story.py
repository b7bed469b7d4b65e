"""What became of published events: waits for every consumer, and tells how it went."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from .events.envelope import cause_of, follow_up_ids
from .project import Project
from .publisher import SOURCE, Published, Sent
from .storage.inspection import settlements, table_version
from .storage.store import Settlement

LOOK = 0.01
"""Seconds between looks at the inbox."""

_PAGE = 500
_LOOKED_THROUGH = 5000


@dataclass(frozen=True, slots=True)
class Told:
    """One consumer's part of one event's story.

    `outcome` is applied, duplicate (applied by an earlier publication of the
    same id), dead, parked or waiting. `attempts` counts the tries. `seconds`
    is from publish until the outcome was seen here, which is some 10 ms too
    late; None while there is none.
    """

    consumer: str
    outcome: str
    attempts: int
    seconds: float | None
    error: str = ""
    next_try: float | None = None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """An event that a consumer published because of this one."""

    topic: str
    id: str
    consumer: str


@dataclass(frozen=True, slots=True)
class Story:
    """One event and what every consumer did with it."""

    id: str
    consumers: tuple[Told, ...]
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True)
class Stories:
    """All stories; `interrupted` by the user, or `timeout` seconds were over, or all settled."""

    stories: tuple[Story, ...]
    timeout: float
    interrupted: bool

    def count(self, *outcomes: str) -> int:
        """How many parts ended like that."""
        return sum(told.outcome in outcomes for story in self.stories for told in story.consumers)

    @property
    def settled(self) -> bool:
        """Whether every consumer has settled every event."""
        return not self.count("waiting", "parked")


@dataclass(slots=True)
class _Watch:
    """One event that one consumer has not settled yet."""

    sent: Sent
    consumer: str
    failed: int = 0
    told: Told | None = None
    seen: Settlement | None = None


def marks(project: Project) -> dict[str, str]:
    """Where every topic ends now: follow-ups of what is published next lie behind it."""
    return {topic: project.transport.last(topic) for topic in project.transport.topics()}


def wait_for_stories(
    project: Project,
    published: Published,
    consumers: Sequence[str],
    *,
    timeout: float,
    stop: threading.Event | None = None,
    since: dict[str, str] | None = None,
    progress: Callable[[int], object] = lambda settled: None,
) -> Stories:
    """Wait *timeout* seconds at most until every consumer has settled every event.

    *since* (see `marks`) lets follow-ups of up to 100 events be looked for.

    Raises:
        StorageError: A service's database cannot be read.
    """
    stop = stop or threading.Event()
    watches = [_Watch(sent, consumer) for consumer in consumers for sent in published.sent]
    left = len(watches)
    end = time.monotonic() + timeout
    looks = [_Look(project, name, [w for w in watches if w.consumer == name]) for name in consumers]
    while left:
        over = stop.is_set() or time.monotonic() >= end
        left = sum(look.look(thorough=over) for look in looks)
        progress(len(watches) - left)
        if over:
            break
        if left:
            stop.wait(LOOK)
    found: dict[str, list[FollowUp]] = {}
    if since is not None and len(published.sent) <= 100 and not stop.is_set():
        found = _follow_ups(project, published, consumers, since)
    return Stories(_stories(published, watches, found), timeout, stop.is_set())


class _Look:
    """Asks one consumer's inbox, again and again, for what it has not settled yet."""

    def __init__(self, project: Project, consumer: str, watches: list[_Watch]) -> None:
        self.consumer = consumer
        self.pending = watches
        self._database = project.database(consumer.partition("/")[0])
        self._has_tables = False

    def look(self, *, thorough: bool) -> int:
        """Take what is settled by now; return how many are left.

        Events settle roughly in order, so a page without any ends a look that
        is not *thorough*.
        """
        self._has_tables = self._has_tables or table_version(self._database) > 0
        if not self._has_tables:
            return len(self.pending)
        for start in range(0, len(self.pending), _PAGE):
            page = self.pending[start : start + _PAGE]
            if not self._look_at(page) and not thorough:
                break
        self.pending = [watch for watch in self.pending if watch.told is None]
        return len(self.pending)

    def _look_at(self, page: list[_Watch]) -> int:
        found = settlements(self._database, self.consumer, SOURCE, [w.sent.id for w in page])
        for watch in page:
            settlement = watch.seen = found.get(watch.sent.id)
            if settlement is None:
                continue
            watch.failed = max(watch.failed, settlement.attempts)
            if settlement.state != "parked":
                watch.told = _told(watch, settlement)
        return len(found)


def _told(watch: _Watch, settlement: Settlement) -> Told:
    if settlement.state == "dead":
        attempts = max(1, settlement.attempts)
        seconds = time.time() - watch.sent.at
        return Told(watch.consumer, "dead", attempts, seconds, settlement.error)
    if settlement.at < watch.sent.at:
        return Told(watch.consumer, "duplicate", 0, None)
    return Told(watch.consumer, "applied", watch.failed + 1, time.time() - watch.sent.at)


def _unsettled(watch: _Watch) -> Told:
    seen = watch.seen
    if seen is None:
        return Told(watch.consumer, "waiting", 0, None)
    return Told(watch.consumer, "parked", seen.attempts, None, seen.error, seen.due)


def _stories(
    published: Published, watches: Sequence[_Watch], found: dict[str, list[FollowUp]]
) -> tuple[Story, ...]:
    by_event: dict[str, list[Told]] = {sent.id: [] for sent in published.sent}
    for watch in watches:
        by_event[watch.sent.id].append(watch.told or _unsettled(watch))
    return tuple(Story(id, tuple(told), tuple(found.get(id, ()))) for id, told in by_event.items())


def _follow_ups(
    project: Project, published: Published, consumers: Sequence[str], since: dict[str, str]
) -> dict[str, list[FollowUp]]:
    """Follow-ups behind *since*, by the ids that their causes give them.

    They are published just after the commit that the inbox showed us, in one
    step with the acknowledgement: an empty lag, or 0.3 s, is long enough.
    """
    services = {consumer.partition("/")[0] for consumer in consumers}
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        lags = [project.transport.lag(published.topic, name) for name in services]
        if not any(lag.events for lag in lags):
            break
        time.sleep(LOOK)
    found: dict[str, list[FollowUp]] = {}
    for topic in project.transport.topics():
        entries = project.transport.read(topic, since.get(topic, ""), _LOOKED_THROUGH)
        ids = {_id(entry.body) for entry in entries}
        for sent in published.sent:
            for consumer in consumers:
                cause = cause_of(consumer, SOURCE, sent.id)
                for _, derived in follow_up_ids(cause, [topic]):
                    if derived in ids:
                        found.setdefault(sent.id, []).append(FollowUp(topic, derived, consumer))
    return found


def _id(body: bytes) -> str:
    try:
        return str(orjson.loads(body).get("id", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""
