"""Applies a batch of events: inbox, handlers, outbox and parked rows in one transaction."""

from __future__ import annotations

import inspect
import logging
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..core.clock import Clock
from ..core.failure import describe
from ..core.hooks import Hook, tell
from ..core.loop import EventLoop
from ..errors import StorageError
from .batch import MicroBatch, Own, Ran, Shared
from .handling import Handling
from .item import Item
from .outcomes import Outcomes
from .result import Result
from .store import RunAgain, Store, UnitOfWork
from .suspects import Quarantine, Suspects
from .transport import Message
from .worker import EventWorker

log = logging.getLogger("workerkit.events")

CAREFUL_BATCHES = 8
"""Batches with a savepoint around each handler, after one that had to be run again."""


QUICK = 0.005
"""Seconds an event below which one alone is run like a batch, for half the round trips.

A slower handler's transaction begins when it first asks for the session, so
that it locks nobody while it waits for something else.
"""


class AlreadySettledError(BaseException):
    """The inbox holds the event; leaves the handler as no `except Exception` can stop it."""


ENGINE_SIGNALS = (AlreadySettledError, RunAgain)
"""What passes through a handler; anything else that leaves it is the handler's failure."""


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
        quarantine: Quarantine | None = None,
    ) -> None:
        self.service = service
        self.name = name
        self.consumer = f"{service}/{name}"
        self.worker = worker
        self.store = store
        self.settle = settle
        self.clock = clock
        self.hooks = hooks
        self.handling = Handling(name, self.consumer, worker, clock, loop, hooks)
        self.outcomes = Outcomes(service, name, worker, clock)
        self.suspects = Suspects(
            store, self.consumer, worker.retry.attempts, quarantine or Quarantine()
        )
        self.next_due = math.inf
        """When the earliest event that was parked here is due, in epoch seconds."""
        self.token: int | None = None
        """The fencing token of a worker with `order = "strict"`; 0 while it has none."""
        self._careful = 0
        self._defers = True
        # In the loop's thread a coroutine that waited for its turn to write would
        # stop the one that has it.
        self._begins_early = store.one_writer and inspect.iscoroutinefunction(worker.handle)
        self.usual = math.inf
        """Seconds that an event takes; infinite before the first."""

    def apply(self, batch: MicroBatch, *, blame: bool = False) -> float | None:
        """Bring every event of *batch* to an outcome.

        With *blame* trouble within a handler is the handler's own: the storage
        has been seen to work.

        Returns the seconds it took, without those in the queue for the write
        lock and for the broker's answer: counted in, lanes that wait for each
        other would shrink each other's batches.

        Raises:
            StorageError: Our own storage is in trouble; trying again is safe.
        """
        began = self.clock.monotonic()
        items = batch.begin()
        alone = [item for item in items if self._must_run_alone(item)]
        together = [item for item in items if not self._must_run_alone(item)] if alone else items
        waited = 0.0
        if blame or any(item.suspect for item in alone):
            # In their order: what may have ended its process is not overtaken by its key.
            batch.run_alone(items)
        elif len(together) > 1 or (together and self.usual < QUICK):
            try:
                batch.run_alone(alone)
                waited = self._apply_together(together, batch)
            except StorageError:
                raise
            except Exception as error:
                log.warning("batch is run one by one", extra={"error": describe(error)})
                left = set(map(id, batch.begin()))
                batch.run_alone(item for item in (*together, *alone) if id(item) in left)
        else:
            batch.run_alone([*together, *alone])
        try:
            while item := batch.next_alone():
                batch.since = self.clock.monotonic()
                waited += self._apply_alone(item, blame)
        finally:
            batch.since = math.inf
        busy = self.clock.monotonic() - began - waited
        latest = busy / len(batch.items)
        # Up at once, down slowly; the first one, of which nothing is known, runs as if slow.
        known = self.usual if self.usual < math.inf else latest
        self.usual = max(latest, (known + latest) / 2)
        return busy

    def _must_run_alone(self, item: Item) -> bool:
        return self.worker.isolate or item.suspect or item.parked is not None

    def _apply_together(self, items: Sequence[Item], batch: MicroBatch) -> float:
        """One transaction for all: at once if nothing fails, else again with savepoints."""
        if not self.store.one_writer:
            # Two replicas that write the same keys in one order cannot deadlock.
            items = sorted(items, key=lambda item: item.key or "")
        if self._careful > 0:
            self._careful -= 1
            return self._try_together(items, batch, careful=True)
        try:
            return self._try_together(items, batch, careful=False)
        except RunAgain:
            self._careful = CAREFUL_BATCHES
            return self._try_together(items, batch, careful=True)

    def _try_together(self, items: Sequence[Item], batch: MicroBatch, *, careful: bool) -> float:
        """Without *careful* a failure that cannot be told from the neighbours raises RunAgain."""
        result = Result(self.clock.time())
        uow = self.store.begin()
        shared = Shared(items, uow, result, careful)
        if self._defers and not careful:
            uow.defer()
        try:
            live = [item for item in items if not item.expired(result.now)]
            if self.token is not None:
                uow.fence(self.consumer, self.token)
            new = uow.enter(self.consumer, list({item.identity: None for item in live}))
            shared.new, batch.shared, batch.since = new, shared, self.clock.monotonic()
            for item in items:
                if item.expired(result.now):
                    self.outcomes.passed(item, "expired", result)
                elif item.identity in new:
                    new.discard(item.identity)
                    self._run_in_batch(item, shared)
                    if shared.ran is not None:
                        break
                else:
                    self.outcomes.passed(item, "duplicate", result)
            else:
                self._commit(uow, result)
        except BaseException as error:
            uow.rollback()
            self._raise_trouble(error)
            if careful:
                raise
            raise RunAgain(describe(error)) from error
        finally:
            batch.since = math.inf
            self._defers = self._defers and not uow.results_read
        if shared.own is not None:
            return self._settle_alone(item, None, False, shared.own, shared.ran)
        return uow.waited + self._finish(items, uow, result)

    def _run_in_batch(self, item: Item, shared: Shared) -> None:
        uow, result, careful = shared.uow, shared.result, shared.careful
        if item.problem is not None:
            self.outcomes.failed(item, item.problem, uow, result)
            return
        if careful:
            uow.savepoint()
        mark = uow.mark()
        context = self.handling.context(item, shared.session, result.now)
        failure = None
        began = self.clock.monotonic()
        shared.begin(item)
        try:
            self.handling.run(item, context)
        except BaseException as error:
            failure = error
        if shared.outlasted():
            shared.ran = Ran(context, failure, began)
            return
        try:
            if failure is not None:
                raise failure
            uow.flush()
        except ENGINE_SIGNALS:
            raise
        except BaseException as error:
            self._raise_trouble(error)
            if careful:
                uow.undo()
            elif not uow.drop(mark):
                raise
            self.outcomes.failed(item, error, uow, result, self.clock.monotonic() - began)
        else:
            if careful:
                uow.keep()
            self.outcomes.applied(item, context, result, self.clock.monotonic() - began)

    def relieve(self, batch: MicroBatch) -> None:
        """Take from *batch* what need not wait for the handler that it is at.

        What has not begun is put back. A transaction that it shares ends
        before it, unless it has used it: those done are committed.
        """
        batch.let_go()
        shared = batch.shared
        if shared is not None and shared.unused and not self._begins_early:
            threading.Thread(target=self._end_early, args=(batch, shared), daemon=True).start()

    def _end_early(self, batch: MicroBatch, shared: Shared) -> None:
        """Commit *shared* without the event that it is at, which waits for this to end."""
        if not shared.leave(self._own):
            return
        uow, (done, at, rest) = shared.uow, shared.parts()
        try:
            if shared.careful:
                uow.keep()
            uow.withdraw(self.consumer, [*shared.new, at.identity])
            self._commit(uow, shared.result)
        except BaseException as error:
            uow.rollback()
            shared.failure = error
        else:
            self._finish(done, uow, shared.result)
            batch.keep([at], rest)
        finally:
            shared.ended.set()

    def _commit(self, uow: UnitOfWork, result: Result) -> None:
        if result.messages:
            uow.post(result.messages)
        uow.commit()

    def _apply_alone(self, item: Item, blame: bool) -> float:
        result = Result(self.clock.time())
        if item.expired(result.now) and item.parked is None:
            self.outcomes.passed(item, "expired", result)
            return self._finish([item], None, result)
        if item.parked is None and self.store.settled(self.consumer, item.identity):
            self.outcomes.passed(item, "duplicate", result)
            return self._finish([item], None, result)
        with self.suspects.started(item) as problem:
            return self._settle_alone(item, problem, blame, self._own(item))

    def _settle_alone(
        self, item: Item, problem: BaseException | None, blame: bool, own: Own,
        ran: Ran | None = None,
    ) -> float:  # fmt: skip
        """Run the handler, unless it *ran* already, and bring *item* to its outcome."""
        result = Result(self.clock.time())
        uow = own.uow
        try:
            if problem is None:
                problem = self._run_alone(item, own, result, blame, ran)
            if problem is not None:
                uow.rollback()
                uow = self.store.begin()
                result = Result(result.now)
                self._enter_alone(item, uow)
                self.outcomes.failed(item, problem, uow, result)
                uow.keep()
                uow.commit()
        except AlreadySettledError:
            uow.rollback()
            result = Result(result.now)
            self.outcomes.passed(item, "duplicate", result)
        except BaseException as error:
            uow.rollback()
            self._raise_trouble(error)
            raise
        return uow.waited + self._finish([item], uow, result)

    def _run_alone(
        self, item: Item, own: Own, result: Result, blame: bool, ran: Ran | None
    ) -> BaseException | None:
        """Run the handler and commit; the transaction begins when it first asks for the session."""
        uow = own.uow
        try:
            if ran is None:
                if self._begins_early:
                    own.session()
                context = self.handling.context(item, own.session, result.now)
                ran = Ran(context, None, self.clock.monotonic())
                self.handling.run(item, ran.context)
            elif ran.error is not None:
                raise ran.error
            own.session()
            uow.flush()
            uow.keep()
            self.outcomes.applied(item, ran.context, result, self.clock.monotonic() - ran.began)
            self._commit(uow, result)
        except ENGINE_SIGNALS:
            raise
        except StorageError:
            raise
        except BaseException as error:
            if not blame:
                self._raise_trouble(error)
                if (lost := uow.lost) is not None:
                    raise lost from error
            return error
        return None

    def _own(self, item: Item) -> Own:
        """A transaction for *item* alone, which begins at the first use of its session."""
        uow = self.store.begin()
        entered = False

        def session() -> Any:
            nonlocal entered
            if not entered:
                self._enter_alone(item, uow)
                entered = True
            return uow.session()

        return Own(uow, session)

    def _enter_alone(self, item: Item, uow: UnitOfWork) -> None:
        if self.token is not None:
            uow.fence(self.consumer, self.token)
        if item.parked is not None:
            fresh = uow.revive(item.parked)
        else:
            fresh = bool(uow.enter(self.consumer, [item.identity]))
            if item.suspect:
                uow.forget_starts(self.consumer, item.identity)
        if not fresh:
            raise AlreadySettledError
        uow.savepoint()

    def _finish(self, items: Sequence[Item], uow: UnitOfWork | None, result: Result) -> float:
        """What follows the commit; dying in here loses nothing. Seconds until the broker answered.

        They are not the handler's: a distant broker does not make it a slow one.
        """
        self.next_due = min(self.next_due, result.due)
        result.batch.committed = self.clock.time() if uow is not None else 0.0
        began = self.clock.monotonic()
        answered = self.settle(items, result.messages)
        seconds = self.clock.monotonic() - began
        if answered and uow is not None:
            self.store.sent(uow)
        for action in result.actions:
            try:
                action()
            except BaseException:
                log.exception("after_commit action failed", extra={"worker": self.name})
        tell(self.hooks, result.records)
        return seconds

    def _raise_trouble(self, error: BaseException) -> None:
        """Raise StorageError in place of *error* when our own storage is at fault."""
        trouble = self.store.trouble(error)
        if trouble is not None and trouble is not error:
            raise trouble from error
        if trouble is not None:
            raise trouble
