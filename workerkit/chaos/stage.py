"""What a scenario plays on: the rig, the load, and what can be seen of both."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import CheckFailed, StorageError
from ..events.transport import Broker
from ..observability.trigger import ask_worker
from ..storage.database import Database
from ..storage.effects import Settled, count_effects, settled_events
from ..storage.runs import SqlLedger
from ..storage.store import SqlStore
from .breaks import Break
from .load import Load
from .rig import Rig
from .verdict import Attempt, Evidence, Fault, Kind

PATIENCE = 60.0
"""Seconds to wait for a fact that must come."""

BUSY = 5.0
"""Seconds to wait for a moment at which a fault hits something."""


@dataclass
class Stage:
    """One run of one scenario on service *service*, whose consumers listen to the load's topic.

    `lease` in seconds is that of the processes; `pace` scales how long things last.
    """

    rig: Rig
    load: Load
    broker: Broker
    broker_break: Break
    database: Database
    database_break: Break
    service: str
    consumers: Sequence[str]
    jobs: Sequence[str]
    ledger: SqlLedger
    lease: float
    pace: float = 1.0
    faults: list[Fault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def workers(self) -> list[str]:
        """Names of the event workers' processes."""
        return self.rig.named("events")

    def steady(self, seconds: float = 2.0) -> None:
        """Let load run for so long, and until some of it has been settled.

        Raises:
            CheckFailed: Nothing is settled; there is no steady state to disturb.
        """
        self.rest(seconds)
        self.until("an event to be settled", lambda: settled_events(self.database, self.load.run))

    def rest(self, seconds: float) -> None:
        """Let time pass, in which work goes on."""
        time.sleep(seconds * self.pace)

    def until(self, what: str, fact: Callable[[], object], patience: float = PATIENCE) -> None:
        """Wait for *fact*.

        Raises:
            CheckFailed: It did not come true in *patience* seconds.
        """
        end = time.monotonic() + patience
        while not fact():
            if time.monotonic() > end:
                raise CheckFailed(f"waited {patience:g} s for {what}")
            time.sleep(0.02)

    def in_progress(self) -> int:
        """Events that the group has not settled."""
        return self.broker.lag(self.load.topic, self.service).events

    @contextmanager
    def fault(self, name: str, hit: int | None = None) -> Iterator[None]:
        """Write a fault down, from now to the end of the block.

        *hit* None waits for a moment with events in progress, and counts them.
        """
        reached = self._busy() if hit is None else hit
        began = time.time()
        try:
            yield
        finally:
            self.faults.append(Fault(name, began, time.time(), reached))

    def _busy(self) -> int:
        end = time.monotonic() + BUSY
        while not (found := self.in_progress()) and time.monotonic() < end:
            time.sleep(0.001)
        return found

    def drain(self) -> bool:
        """End the load, and wait until nothing of it is left anywhere."""
        self.load.finish(PATIENCE)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.rig.restart_dead()
            try:
                if self._is_empty():
                    return True
            except StorageError:
                pass
            time.sleep(0.1)
        return False

    def evidence(self, drained: bool) -> Evidence:
        """All that is known at the end."""
        return Evidence(
            attempts=self.load.attempts,
            consumers=self.consumers,
            settled=settled_events(self.database, self.load.run),
            effects=self._effects_of(self.consumers),
            faults=self.faults,
            drained=drained,
            problems=self.problems,
        )

    def run_job(self, worker: str) -> float:
        """Have the first job run in the process *worker*; the tick that it runs for.

        Raises:
            CheckFailed: It does not begin, as another run of it is not over.
        """
        begun: list[float] = []

        def begins() -> bool:
            tick = round(time.time(), 3)
            answer, _ = ask_worker(
                self.rig.port(worker), self.jobs[0], tick, wait=False, line=lambda text: None
            )
            if answer.verdict == "ours":
                begun.append(tick)
            return bool(begun)

        self.until(f"{self.jobs[0]} to begin", begins)
        return begun[0]

    def state_of(self, tick: float) -> str:
        """What became of a tick of the first job."""
        run = self.ledger.find(self.jobs[0], tick)
        return run.state if run else "unknown"

    def job_evidence(self, killed: float, done: float) -> Evidence:
        """The same for the first job, of which one tick was *killed* and another one *done*."""
        job = self.jobs[0]
        runs = [run for run in self.ledger.history(job, 10_000) if run.state != "skipped"]
        kinds: dict[float, Kind] = {killed: "deadly", done: "normal"}
        states = {"succeeded": "applied", "abandoned": "dead"}
        return Evidence(
            attempts={
                str(run.tick): Attempt(
                    str(run.tick), run.tick, run.started, kinds.get(run.tick, "normal")
                )
                for run in runs
            },
            consumers=[job],
            settled=[
                Settled(job, str(run.tick), states.get(run.state, run.state), run.ended)
                for run in reversed(runs)
            ],
            effects=self._effects_of([job]),
            faults=self.faults,
            drained=True,
            problems=self.problems,
        )

    def _effects_of(self, consumers: Sequence[str]) -> Counter[tuple[str, str]]:
        found = count_effects(self.database, self.load.run)
        return Counter({key: count for key, count in found.items() if key[0] in consumers})

    def _is_empty(self) -> bool:
        counts = SqlStore(self.database).counts()
        return self.in_progress() == counts["parked"] == counts["outbox"] == 0
