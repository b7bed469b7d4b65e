"""Applies a batch of events: inbox, handlers, outbox and parked rows in one transaction."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.clock import Clock
from ..core.hooks import Hook, Outcome, Settled, tell
from ..core.loop import EventLoop
from ..errors import HandlerTimeout, InvalidPayload, Reject, SessionMisuse, WorkerKilled
from .item import Item
from .store import ParkedEvent, Store, UnitOfWork
from .transport import Message
from .worker import EventContext, EventWorker

log = logging.getLogger("workerkit.events")

TRACEBACK_LIMIT = 16_000
"""Characters of a traceback that a dead letter keeps; the end is what tells."""


class AlreadySettledError(BaseException):
    """The inbox holds the event; leaves the handler as no `except Exception` can stop it."""


@dataclass(slots=True)
class Result:
    """What became of a batch: records for the hooks, and what is left to do after the commit."""

    records: list[Settled] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    actions: list[Callable[[], None]] = field(default_factory=list)


Settle = Callable[[Sequence[Item], Sequence[Message]], bool]
"""Publishes follow-ups and acknowledges events; returns False when the broker did not answer."""


class Pipeline:
    """One worker's way from events to outcomes; used by all of its lanes."""

    def __init__(
        self,
        service: str,
        name: str,
        worker: EventWorker[Any],
        store: Store,
        settle: Settle,
        clock: Clock,
        loop: EventLoop,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self.service = service
        self.name = name
        self.consumer = f"{service}/{name}"
        self.worker = worker
        self.store = store
        self.settle = settle
        self.clock = clock
        self.loop = loop
        self.hooks = hooks

    def apply(self, items: Sequence[Item]) -> float | None:
        """Bring every one of *items* to an outcome; return the seconds it took.

        Raises:
            StorageError: Our own storage is in trouble; trying again is safe.
        """
        began = self.clock.monotonic()
        alone = [item for item in items if self._must_run_alone(item)]
        together = [item for item in items if not self._must_run_alone(item)]
        if len(together) > 1:
            try:
                self._apply_together(together)
            except SessionMisuse as error:
                log.warning("batch is run one by one", extra={"error": str(error)})
                alone = [*together, *alone]
        else:
            alone = [*together, *alone]
        for item in alone:
            self._apply_alone(item)
        return self.clock.monotonic() - began

    def _must_run_alone(self, item: Item) -> bool:
        return self.worker.isolate or item.suspect or item.parked is not None

    def _apply_together(self, items: Sequence[Item]) -> None:
        now = self.clock.time()
        result = Result()
        uow = self.store.begin()
        try:
            live = [item for item in items if not _expired(item, now)]
            new = uow.enter(self.consumer, list({item.identity: None for item in live}))
            for item in items:
                if _expired(item, now):
                    result.records.append(self._record(item, "expired", 0.0))
                elif item.identity in new:
                    new.discard(item.identity)
                    self._run_in_batch(item, uow, result)
                else:
                    result.records.append(self._record(item, "duplicate", 0.0))
            if result.messages:
                uow.post(result.messages)
            uow.commit()
        except BaseException as error:
            uow.rollback()
            self._raise_trouble(error)
            raise
        self._finish(items, uow, result)

    def _run_in_batch(self, item: Item, uow: UnitOfWork, result: Result) -> None:
        if item.problem is not None:
            self._park(item, item.problem, uow, result, 0.0)
            return
        uow.savepoint()
        context = self._context(item, uow.session)
        began = self.clock.monotonic()
        try:
            self._handle(item, context)
            uow.flush()
        except Exception as error:
            self._raise_trouble(error)
            uow.undo()
            self._park(item, error, uow, result, self.clock.monotonic() - began)
        else:
            uow.keep()
            self._keep(item, context, result, self.clock.monotonic() - began)

    def _apply_alone(self, item: Item) -> None:
        result = Result()
        if _expired(item, self.clock.time()) and item.parked is None:
            result.records.append(self._record(item, "expired", 0.0))
            self._finish([item], None, result)
            return
        if item.parked is None and self.store.settled(self.consumer, item.identity):
            result.records.append(self._record(item, "duplicate", 0.0))
            self._finish([item], None, result)
            return
        problem = item.problem or self._killer(item)
        uow = self.store.begin()
        try:
            if problem is None:
                problem = self._run_alone(item, uow, result)
            if problem is not None:
                uow.rollback()
                uow = self.store.begin()
                result = Result()
                self._park(item, problem, uow, result, 0.0)
            uow.commit()
        except AlreadySettledError:
            uow.rollback()
            result = Result([self._record(item, "duplicate", 0.0)])
        except BaseException as error:
            uow.rollback()
            self._raise_trouble(error)
            raise
        self._finish([item], uow, result)

    def _killer(self, item: Item) -> Exception | None:
        """Count the start of an event that may have ended its process before."""
        if not item.suspect and item.parked is None:
            return None
        before = self.store.started(self.consumer, item.identity)
        if before < self.worker.retry.attempts:
            return None
        return WorkerKilled(f"started alone {before} times, its process died each time")

    def _run_alone(self, item: Item, uow: UnitOfWork, result: Result) -> Exception | None:
        """Run the handler; the transaction begins when it first asks for the session."""
        entered = False

        def open_session() -> Any:
            nonlocal entered
            if not entered:
                self._enter_alone(item, uow)
                entered = True
            return uow.session()

        context = self._context(item, open_session)
        began = self.clock.monotonic()
        try:
            self._handle(item, context)
            open_session()
            uow.flush()
            uow.keep()
        except Exception as error:
            self._raise_trouble(error)
            return error
        self._keep(item, context, result, self.clock.monotonic() - began)
        if result.messages:
            uow.post(result.messages)
        return None

    def _enter_alone(self, item: Item, uow: UnitOfWork) -> None:
        if item.parked is not None:
            fresh = uow.revive(item.parked)
        else:
            fresh = bool(uow.enter(self.consumer, [item.identity]))
            if item.suspect:
                uow.forget_starts(self.consumer, item.identity)
        if not fresh:
            raise AlreadySettledError
        uow.savepoint()

    def _handle(self, item: Item, context: EventContext) -> None:
        timeout = self.worker.timeout
        began = self.clock.monotonic()
        answer: Any = self.worker.handle(item.payload, context)
        if inspect.isawaitable(answer):
            try:
                self.loop.run(answer, timeout)
            except TimeoutError:
                raise HandlerTimeout(f"ran longer than {timeout:g} s") from None
        elif answer is not None:
            log.warning(
                "handler returned a value that is ignored",
                extra={"worker": self.name, "type": type(answer).__name__},
            )
        if timeout is not None and self.clock.monotonic() - began > timeout:
            raise HandlerTimeout(f"ran longer than {timeout:g} s")

    def _context(self, item: Item, open_session: Callable[[], Any]) -> EventContext:
        return EventContext(
            item.event, self.consumer, item.attempt, self.clock.time(), open_session
        )

    def _keep(self, item: Item, context: EventContext, result: Result, duration: float) -> None:
        result.messages.extend(context.follow_ups)
        result.actions.extend(context.actions)
        result.records.append(self._record(item, "applied", duration))

    def _park(
        self, item: Item, error: Exception, uow: UnitOfWork, result: Result, duration: float
    ) -> None:
        retry = self.worker.retry
        dead = isinstance(error, Reject | InvalidPayload | WorkerKilled)
        dead = dead or item.attempt >= retry.attempts
        text = "".join(traceback.format_exception(error))[-TRACEBACK_LIMIT:]
        event = ParkedEvent(
            consumer=self.consumer,
            source=item.event.source,
            id=item.event.id,
            topic=item.event.topic,
            body=item.body,
            attempts=item.attempt,
            error=f"{type(error).__name__}: {error}",
            traceback=text,
            due=self.clock.time() + (0.0 if dead else retry.wait(item.attempt)),
            dead=dead,
            published=item.published,
        )
        uow.park(event)
        outcome: Outcome = "dead" if dead else "parked"
        result.records.append(self._record(item, outcome, duration, error))

    def _record(
        self, item: Item, outcome: Outcome, duration: float, error: Exception | None = None
    ) -> Settled:
        return Settled(
            service=self.service,
            worker=self.name,
            topic=item.event.topic,
            event_id=item.event.id,
            outcome=outcome,
            attempt=item.attempt,
            duration=duration,
            age=max(0.0, self.clock.time() - item.published),
            error=type(error).__name__ if error else "",
            message=str(error) if error else "",
            trace_id=item.event.trace_id,
        )

    def _finish(self, items: Sequence[Item], uow: UnitOfWork | None, result: Result) -> None:
        """What follows the commit; dying in here loses nothing."""
        if self.settle(items, result.messages) and uow is not None:
            self.store.sent(uow)
        for action in result.actions:
            try:
                action()
            except Exception:
                log.exception("after_commit action failed", extra={"worker": self.name})
        tell(self.hooks, result.records)

    def _raise_trouble(self, error: BaseException) -> None:
        """Raise StorageError in place of *error* when our own storage is at fault."""
        trouble = self.store.trouble(error)
        if trouble is not None and trouble is not error:
            raise trouble from error
        if trouble is not None:
            raise trouble


def _expired(item: Item, now: float) -> bool:
    expires = item.event.expires
    return expires is not None and expires < now
