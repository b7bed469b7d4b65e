"""The seam between jobs and the service's database: one row for each tick, and its effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

RunState = Literal["running", "succeeded", "failed", "timed_out", "skipped", "abandoned"]
Trigger = Literal["schedule", "manual"]


@dataclass(frozen=True, slots=True)
class Run:
    """One tick of one job, as the ledger has it; all times in epoch seconds.

    `job` is `service/job`. `token` grows with every run of the job: what was
    begun under a run that is not running any more is not committed. `holder`
    is the process that runs it, or ran it; `reason` is the error, or why the
    tick was skipped.
    """

    job: str
    tick: float
    state: RunState
    trigger: Trigger
    token: int
    holder: str
    started: float
    ended: float = 0.0
    rows: int = 0
    reason: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish to run *job* for *tick*, beside other runs of it when *together*.

    A manual one also takes a tick that has ended without success.
    """

    job: str
    tick: float
    holder: str
    trigger: Trigger = "schedule"
    together: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """The answer to a claim.

    `ours`: go on with `run`. `taken`: the tick has `run` already, or has it
    now, skipped as the job is paused. `busy`: `run` of another tick is not over.
    """

    verdict: Literal["ours", "taken", "busy"]
    run: Run


class RunWork(Protocol):
    """The transactions of one run, one after another; begun by the first use of `session`.

    `commit` and `finish` raise LeaseLost when the run is not running any more
    in the ledger, and StorageError when the database does not take it; then
    nothing of the transaction happened.
    """

    def session(self) -> Any:
        """The SQLAlchemy session lent to the job."""

    def publish(self, topic: str, data: Any) -> None:
        """Publish with the next commit, and only with it."""

    def commit(self, rows: int) -> None:
        """Make durable what was done so far; the next use of `session` begins anew."""

    def finish(self, rows: int) -> Run:
        """The same, and the run has succeeded: as it is now."""

    def rollback(self) -> None:
        """Undo what was not committed; fine at any moment."""


class Ledger(Protocol):
    """The runs of one service's jobs. Every method raises StorageError without the database."""

    def begin(self, claim: Claim) -> Begun:
        """Let one of those who claim a tick run it; serialised for each job."""

    def work(self, run: Run) -> RunWork:
        """What *run* does in the database."""

    def end(self, run: Run, state: RunState, reason: str, traceback: str, rows: int) -> Run:
        """End a run without effects unless it is over already; the run as it is now."""

    def skip(self, job: str, ticks: Sequence[float], reason: str) -> list[float]:
        """Record that *ticks* are left out; those that had no row yet."""

    def running(self) -> list[Run]:
        """Runs that are not over."""

    def last_ticks(self, jobs: Sequence[str]) -> dict[str, float]:
        """The latest scheduled tick up to now of each job that had any."""

    def last_successes(self, jobs: Sequence[str]) -> dict[str, float]:
        """When each job last succeeded."""

    def forget_future(self, jobs: Sequence[str]) -> None:
        """Drop rows of ticks to come that were skipped: the clock was wrong then."""
