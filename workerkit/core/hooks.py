"""What policy tells the outside: frozen records, handed to one-method hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from .trace import trace_id

Outcome = Literal["applied", "duplicate", "parked", "dead", "expired"]
RunOutcome = Literal["succeeded", "failed", "timed_out", "skipped", "abandoned"]

log = logging.getLogger("workerkit.hooks")


@dataclass(slots=True)
class Batch:
    """What was settled in one transaction; epoch seconds, `committed` 0 when it wrote nothing."""

    began: float
    committed: float = 0.0


class Settled(NamedTuple):
    """One event reached an outcome; durations in seconds.

    `error` is the failure's type and `message` the whole of it, type included;
    `deliveries` counts how often the transport handed it out; 1 is normal.
    `ended` is when its handler did, in epoch seconds; `follow_ups` are topic
    and id of the events that go out with it.
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
    deliveries: int = 1
    traceparent: str = ""
    ended: float = 0.0
    follow_ups: tuple[tuple[str, str], ...] = ()
    batch: Batch | None = None

    @property
    def trace_id(self) -> str:
        """The 32 hex digits of its trace; `workerkit events trace` shows it."""
        return trace_id(self.traceparent, self.event_id)


class Ran(NamedTuple):
    """One tick of one job came to an outcome.

    `tick` in epoch seconds; `late` is how many seconds after it the run
    began, `duration` how many it took, both 0 when there was none; `rows` is
    what the job says it touched. `error` is the failure's type, `message`
    all of it, or why the tick was left out. `traceparent` is the one of the
    events that the run has published, its own span their parent.
    """

    service: str
    job: str
    tick: float
    outcome: RunOutcome
    late: float = 0.0
    duration: float = 0.0
    rows: int = 0
    error: str = ""
    message: str = ""
    traceparent: str = ""


class RunHook(Protocol):
    """Receives how the ticks of jobs ended, on the thread of a job: be quick."""

    def ran(self, record: Ran) -> None:
        """Take *record*; an error raised here is logged and goes no further."""


class Hook(Protocol):
    """Receives what was settled, a batch at a time, on the lane's thread: be quick."""

    def settled(self, records: Sequence[Settled]) -> None:
        """Take *records*; an error raised here is logged and goes no further."""


@runtime_checkable
class Surrounding(Protocol):
    """A hook that is also there while a handler or a job runs, on its thread."""

    def within(self, traceparent: str) -> AbstractContextManager[None]:
        """Around what has the span that *traceparent* names."""


Within = Callable[[str], AbstractContextManager[None]]


def surrounding(hooks: Sequence[object]) -> Within | None:
    """The `within` of the hook that has one; None when none does."""
    return next((hook.within for hook in hooks if isinstance(hook, Surrounding)), None)


def tell(hooks: Sequence[Hook], records: Sequence[Settled]) -> None:
    """Hand *records* to every hook; a broken hook must not stop a worker."""
    for hook in hooks:
        with _guarded(hook):
            hook.settled(records)


def tell_run(hooks: Sequence[RunHook], record: Ran) -> None:
    """Hand *record* to every hook, as `tell` does."""
    for hook in hooks:
        with _guarded(hook):
            hook.ran(record)


@contextmanager
def _guarded(hook: object) -> Iterator[None]:
    try:
        yield
    except Exception:
        log.exception("hook failed", extra={"hook": type(hook).__name__})
