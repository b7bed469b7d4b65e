"""The seam between the engine and the service's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import StorageError
from .transport import Message


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that waits for its next attempt, or was given up on.

    `due` is in epoch seconds; `dead` tells a dead letter from a parked event;
    `attempts` counts the tries that failed.
    """

    consumer: str
    source: str
    id: str
    topic: str
    body: bytes
    attempts: int
    error: str
    traceback: str
    due: float
    dead: bool
    published: float


class RunAgain(BaseException):
    """A batch cannot end as it was run; leaves a handler as no `except Exception` can stop it."""


class UnitOfWork(Protocol):
    """One transaction on the service's database; begun by its first use."""

    outbox_id: int | None
    """The outbox row that `post` wrote, if it did."""

    waited: float
    """Seconds spent in the queue for the database's write lock."""

    results_read: bool
    """Whether a handler looked at the result of a write; then none need to `defer`."""

    @property
    def lost(self) -> StorageError | None:
        """Why the connection is gone, also when a handler saw that and kept silent."""

    def defer(self) -> None:
        """Let the handlers' writes wait and go out together.

        From here until `commit`, RunAgain may be raised: the batch must be
        undone and run again without this.
        """

    def mark(self) -> Any:
        """A moment to which `drop` goes back."""

    def drop(self, mark: Any) -> bool:
        """Forget what was done since *mark*; False when the database has seen some of it."""

    def session(self) -> Any:
        """The SQLAlchemy session lent to handlers."""

    def enter(self, consumer: str, keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Write inbox rows for (source, id) *keys*; return those that are new."""

    def withdraw(self, consumer: str, keys: Sequence[tuple[str, str]]) -> None:
        """Take back inbox rows that `enter` wrote here: what they stand for was not done."""

    def fence(self, consumer: str, token: int) -> None:
        """Go on only if nobody has written for *consumer* under a larger *token*.

        Raises:
            LeaseLost: Somebody has.
        """

    def savepoint(self) -> None:
        """Mark the point to which a failing handler is undone."""

    def flush(self) -> None:
        """Send what the session still holds to the database; raises what the database says."""

    def forget_starts(self, consumer: str, key: tuple[str, str]) -> None:
        """The suspect came to an outcome: drop its count of starts."""

    def keep(self) -> None:
        """Drop the savepoint.

        Raises:
            SessionMisuse: The transaction is not the one that was begun.
        """

    def undo(self) -> None:
        """Go back to the savepoint; raises SessionMisuse like `keep`."""

    def park(self, event: ParkedEvent) -> None:
        """Record a failed attempt, in the inbox too."""

    def revive(self, event: ParkedEvent) -> bool:
        """Take a parked event out again as applied; False when it is not parked any more."""

    def post(self, messages: Sequence[Message]) -> None:
        """Write follow-ups to the outbox, to be sent by whoever calls `posted`."""

    def commit(self) -> None:
        """Make it all durable. Raises StorageError; then nothing of it happened."""

    def rollback(self) -> None:
        """Undo it all; fine at any moment."""


class Store(Protocol):
    """Inbox, outbox and parked events of one service."""

    one_writer: bool
    """Whether writers queue for the whole database, so that two can never deadlock."""

    def begin(self) -> UnitOfWork:
        """A new unit of work; takes no lock before its first use."""

    def fenced(self, consumer: str) -> int:
        """The largest token that `fence` has let pass for *consumer*; 0 when there was none."""

    def settled(self, consumer: str, key: tuple[str, str]) -> bool:
        """Whether the inbox holds *key*; a read that locks nobody."""

    def sent(self, uow: UnitOfWork) -> None:
        """The follow-ups of *uow* are published: its outbox row may go."""

    def sweep(self) -> None:
        """Delete outbox rows that were sent and that no later batch took along."""

    def overdue(self, limit: int) -> list[tuple[int, list[Message]]]:
        """Lease outbox rows that nobody sent in time."""

    def delete_outbox(self, ids: Sequence[int]) -> None:
        """Delete outbox rows that were sent."""

    def due(self, consumer: str, limit: int, lease: float, longest: float) -> list[ParkedEvent]:
        """Lease parked events whose time has come, for *lease* seconds.

        Nothing waits for more than *longest* seconds: a time that is clearly
        further away was written before the clock was set back, and has come.
        """

    def hold(self, events: Sequence[ParkedEvent], lease: float) -> None:
        """Keep parked events that are being worked on for another *lease* seconds."""

    def started(self, consumer: str, key: tuple[str, str]) -> int:
        """Count, durably, that *key* is about to run alone; return how often it was before."""

    def works(self) -> bool:
        """Whether the storage takes a write right now."""

    def trouble(self, error: BaseException) -> StorageError | None:
        """*error* as a StorageError when our storage is at fault, not the handler."""
