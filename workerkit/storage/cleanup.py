"""Deletes what no redelivery can need any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import and_, bindparam, delete, select, tuple_
from sqlalchemy.orm import Session

from ..events.transport import Broker
from .tables import inbox, jobs, runs

KEEP = 14 * 86_400.0
"""Seconds for which what was settled is remembered at least."""

WINDOW = 1000
"""Rows that are looked at in one transaction."""

_DELETE_INBOX = delete(inbox).where(
    inbox.c.consumer == bindparam("c"),
    inbox.c.source == bindparam("s"),
    inbox.c.id == bindparam("i"),
)


class OldEvents:
    """The inbox and the run ledger of service *service*, which grow with every event and tick.

    *topics* tells the topic of each consumer. An inbox row goes when it is
    older than the retention *and* than all that the broker still has of the
    topic: a group that lost its place begins there again. Rows of parked
    events and of dead letters stay with them.
    """

    def __init__(
        self, service: str, broker: Broker, topics: Callable[[], Mapping[str, str]]
    ) -> None:
        self.service = service
        self.broker = broker
        self.topics = topics

    def delete(self, session: Callable[[], Session], keep: float = KEEP) -> Iterator[int]:
        """Delete in windows of WINDOW rows, each in the transaction that *session* gives for it.

        Yields how many rows went, for the caller to commit; *keep* in seconds.

        Raises:
            StorageError: The broker does not tell what it has.
        """
        now = time.time()
        self.broker.tidy(list(self.topics().values()))
        for consumer, topic in self.topics().items():
            before = min(now - keep, self._oldest(topic, now))
            yield from _inbox_rows(session, consumer, before)
        yield from _run_rows(session, f"{self.service}/", now - keep)

    def _oldest(self, topic: str, now: float) -> float:
        """When the oldest event that the broker has of *topic* was published; *now* without any."""
        found = self.broker.read(topic, "", 1)
        return found[0].published if found else now


def _inbox_rows(session: Callable[[], Session], consumer: str, before: float) -> Iterator[int]:
    """By the primary key, so that no window looks at what an earlier one has seen."""
    last: tuple[str, str] | None = None
    while True:
        window = select(inbox.c.source, inbox.c.id, inbox.c.state, inbox.c.at)
        window = window.where(inbox.c.consumer == consumer)
        if last is not None:
            window = window.where(tuple_(inbox.c.source, inbox.c.id) > last)
        window = window.order_by(inbox.c.source, inbox.c.id).limit(WINDOW)
        rows = session().execute(window).all()
        if not rows:
            return
        last = (rows[-1].source, rows[-1].id)
        old = [row for row in rows if row.state == "applied" and row.at < before]
        if old:
            keys = [{"c": consumer, "s": row.source, "i": row.id} for row in old]
            session().execute(_DELETE_INBOX, keys)
        yield len(old)


def _run_rows(session: Callable[[], Session], prefix: str, before: float) -> Iterator[int]:
    """Job by job, the oldest ticks first."""
    known = select(jobs.c.job).where(jobs.c.job.startswith(prefix, autoescape=True))
    for job in session().scalars(known).all():
        old = and_(runs.c.job == job, runs.c.tick < before, runs.c.state != "running")
        while True:
            ticks = (
                session()
                .scalars(select(runs.c.tick).where(old).order_by(runs.c.tick).limit(WINDOW))
                .all()
            )
            if not ticks:
                break
            session().execute(delete(runs).where(old, runs.c.tick <= max(ticks)))
            yield len(ticks)
