"""Publishing with a transaction: the outbox, and the relay for what nobody reported as sent."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..core.clock import Clock, SystemClock
from ..core.worker import BaseWorker
from ..errors import StorageError
from .envelope import Event, encode
from .store import Store, UnitOfWork
from .transport import Message, Transport

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger("workerkit.outbox")

TIDY_PERIOD = 10.0
"""Seconds between two trims of the topics that a process consumes."""


class OutboxWork:
    """One transaction on the service's database, and the events that go with it."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._uow = outbox.store.begin()
        self._messages: list[Message] = []

    @property
    def session(self) -> Session:
        """The transaction's session; begun by its first use."""
        session: Session = self._uow.session()
        return session

    def publish(
        self, topic: str, data: Any, *, id: str | None = None, traceparent: str = ""
    ) -> str:
        """Publish *data* to *topic* if, and only if, the transaction commits; the event's id.

        *traceparent* makes it part of a trace that has begun elsewhere, e.g. with
        the request that causes it.

        Raises:
            InvalidPayload: The data is not JSON.
        """
        event = Event(
            topic=topic,
            data=data,
            id=id or str(uuid4()),
            source=self._outbox.service,
            time=self._outbox.clock.time(),
            traceparent=traceparent,
        )
        self._messages.append(Message(topic, encode(event)))
        return event.id

    def commit(self) -> None:
        """Make it durable, and then publish at once.

        When the broker does not answer, the events stay in the outbox for the
        relay: the commit has happened, so nothing is raised.

        Raises:
            StorageError: The database did not take it; nothing happened.
        """
        self._uow.flush()
        if self._messages:
            self._uow.post(self._messages)
        self._uow.commit()
        if self._messages:
            self._outbox.send(self._uow, self._messages)

    def rollback(self) -> None:
        """Undo it all; fine at any moment."""
        self._uow.rollback()


class Outbox:
    """What an API, or anything that is no event handler, publishes with; safe from many threads."""

    def __init__(
        self, service: str, store: Store, transport: Transport, clock: Clock | None = None
    ) -> None:
        self.service = service
        self.store = store
        self.transport = transport
        self.clock = clock or SystemClock()
        self.trouble: str | None = None

    @contextmanager
    def begin(self) -> Iterator[OutboxWork]:
        """A transaction that commits at the end of the block; an exception in it undoes it.

        Raises:
            StorageError: The database did not take it; nothing happened.
        """
        work = OutboxWork(self)
        try:
            yield work
            work.commit()
        except BaseException:
            work.rollback()
            raise

    def send(self, uow: UnitOfWork, messages: list[Message]) -> None:
        """Publish what *uow* has committed; the relay does when the broker does not answer."""
        try:
            self.transport.publish(messages)
        except StorageError as error:
            if self.trouble is None:
                log.warning(
                    "could not publish; the relay will",
                    extra={"service": self.service, "error": str(error)},
                )
            self.trouble = str(error)
        else:
            self.trouble = None
            self.store.sent(uow)


class Relay(BaseWorker):
    """Runs in every process that has an outbox, an API included.

    It takes rows past their due time under a lease, so a broker outage or a
    crash between commit and publish strands nothing. It also tidies *topics*,
    those that this process consumes.
    """

    def __init__(
        self,
        service: str,
        store: Store,
        transport: Transport,
        clock: Clock | None = None,
        period: float = 1.0,
        topics: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{service}/relay")
        self.store = store
        self.transport = transport
        self.clock = clock or SystemClock()
        self.period = period
        self.topics = topics
        self.trouble: str | None = None
        self._tidied = self.clock.monotonic()

    def work(self) -> None:
        """Sweep and relay until stopped; once more at the end, or it is all sent again."""
        ending = False
        while True:
            try:
                self.store.sweep()
                self.relay()
                self._tidy()
                self.trouble = None
            except StorageError as error:
                if self.trouble is None:
                    self.log.warning("relay is in trouble", extra={"error": str(error)})
                self.trouble = str(error)
            if ending:
                return
            ending = self.clock.wait(self.stopping, self.period)

    def _tidy(self) -> None:
        now = self.clock.monotonic()
        if self.topics and now >= self._tidied + TIDY_PERIOD:
            self._tidied = now
            self.transport.tidy(self.topics)

    def relay(self) -> int:
        """Publish overdue rows until there are none; return how many events went out."""
        sent = 0
        while rows := self.store.overdue(100):
            messages = [message for _, packed in rows for message in packed]
            self.transport.publish(messages)
            self.store.delete_outbox([row_id for row_id, _ in rows])
            sent += len(messages)
        return sent
