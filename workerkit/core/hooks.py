"""What policy tells the outside: frozen records, handed to one-method hooks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

Outcome = Literal["applied", "duplicate", "parked", "dead", "expired"]

log = logging.getLogger("workerkit.hooks")


class Settled(NamedTuple):
    """One event reached an outcome; durations in seconds.

    `error` is the failure's type and `message` the whole of it, type included;
    `deliveries` counts how often the transport handed it out; 1 is normal.
    A tuple, because a frozen dataclass takes three times as long to make.
    """

    service: str
    worker: str
    topic: str
    event_id: str
    outcome: Outcome
    attempt: int
    duration: float
    age: float
    error: str = ""
    message: str = ""
    trace_id: str = ""
    deliveries: int = 1


class Hook(Protocol):
    """Receives what was settled, a batch at a time, on the lane's thread: be quick."""

    def settled(self, records: Sequence[Settled]) -> None:
        """Take *records*; an error raised here is logged and goes no further."""


def tell(hooks: Sequence[Hook], records: Sequence[Settled]) -> None:
    """Hand *records* to every hook; a broken hook must not stop a worker."""
    for hook in hooks:
        try:
            hook.settled(records)
        except Exception:
            log.exception("hook failed", extra={"hook": type(hook).__name__})
