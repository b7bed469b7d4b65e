"""What becomes of an event, as the hooks are told and as the store keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.clock import Clock
from ..core.failure import describe, trace
from ..core.hooks import Outcome, Settled
from ..errors import InvalidPayload, Reject, WorkerKilled
from .item import Item
from .result import Result
from .store import ParkedEvent, UnitOfWork
from .worker import EventContext, EventWorker


class Outcomes:
    """Writes one worker's outcomes into the batch's result; durations in seconds."""

    def __init__(self, service: str, name: str, worker: EventWorker[Any], clock: Clock) -> None:
        self.service = service
        self.name = name
        self.retry = worker.retry
        self.clock = clock

    def applied(self, item: Item, context: EventContext, result: Result, duration: float) -> None:
        """The handler returned: what it asked for goes out after the commit."""
        if context.follow_ups:
            result.messages.extend(context.follow_ups)
        if context.actions:
            result.actions.extend(context.actions)
        result.records.append(self._record(item, "applied", result, duration, context.sent))

    def failed(
        self,
        item: Item,
        error: BaseException,
        uow: UnitOfWork,
        result: Result,
        duration: float = 0.0,
    ) -> None:
        """Park *item* for its next attempt; a dead letter after the last one."""
        dead = isinstance(error, Reject | InvalidPayload | WorkerKilled)
        dead = dead or item.attempt >= self.retry.attempts
        shown = describe(error)
        event = ParkedEvent(
            consumer=f"{self.service}/{self.name}",
            source=item.identity[0],
            id=item.identity[1],
            topic=item.event.topic,
            body=item.body,
            attempts=item.attempt,
            error=shown,
            traceback=trace(error),
            due=self.clock.time() + (0.0 if dead else self.retry.wait(item.attempt)),
            dead=dead,
            published=item.published,
        )
        uow.park(event)
        if not dead:
            result.due = min(result.due, event.due)
        record = self._record(item, "dead" if dead else "parked", result, duration)
        result.records.append(record._replace(error=type(error).__name__, message=shown))

    def passed(self, item: Item, outcome: Outcome, result: Result) -> None:
        """*item* was not handled: a duplicate, or expired."""
        result.records.append(self._record(item, outcome, result))

    def _record(
        self,
        item: Item,
        outcome: Outcome,
        result: Result,
        duration: float = 0.0,
        sent: Sequence[tuple[str, str]] = (),
    ) -> Settled:
        event = item.event
        return Settled(
            self.service, self.name, event.topic, event.id, outcome, item.attempt, duration,
            max(0.0, result.now + duration - item.published),
            deliveries=item.delivery.count if item.delivery else 1,
            traceparent=event.traceparent, ended=self.clock.time(), follow_ups=tuple(sent),
            batch=result.batch,
        )  # fmt: skip
