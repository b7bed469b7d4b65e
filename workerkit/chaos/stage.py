"""What a scenario plays on: the rig, the load, and what can be seen of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..core.put import put
from ..errors import CheckFailed, StorageError
from ..events.envelope import decode
from ..events.transport import Broker
from ..observability.trigger import ask_worker
from ..storage.database import Database
from ..storage.effects import count_overdue, count_settled, name_of, settled_events
from ..storage.runs import SqlLedger
from ..storage.store import SqlStore
from .breaks import Break
from .course import Sampler, Seen, now
from .load import Load, Sender
from .rig import Rig
from .verdict import Fault
from .watch import Answer, Watch

PATIENCE = 60.0
"""Seconds to wait for a fact that must come."""

BUSY = 5.0
"""Seconds to wait for a moment at which a fault hits something."""

READY = "/readyz"
"""What a worker is asked."""

PARKED = "parked events"

STUCK = 12.0
"""Seconds without any change after which what is left will stay."""


@dataclass
class Stage:
    """One run of one scenario on service *service*, whose consumers listen to the load's topic.

    `strict` are those consumers that keep order across processes; `lease` in
    seconds is that of the processes; `pace` scales how long things last.
    `by_sidecar` publishes by way of the sidecar, `next_tick` gives the first
    job's next tick after a time, and `clock_file` says how wrong its clock
    is. `api_path` is what the users of an API on a port ask, `phase` is the
    part of the play, and `tell` is told how it goes.
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
    strict: Sequence[str] = ()
    by_sidecar: Sender | None = None
    next_tick: Callable[[float], float | None] = lambda after: None
    clock_file: Path | None = None
    api_path: Callable[[int], str] = lambda port: "/livez"
    tell: Callable[[Seen], object] = lambda seen: None
    phase: str = ""
    watches: list[Watch] = field(default_factory=list)
    flushed: set[str] = field(default_factory=set)
    wire_since: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sampler = Sampler(self._look, self.tell)

    @property
    def workers(self) -> list[str]:
        """Names of the event workers' processes."""
        return self.rig.named("events")

    @contextmanager
    def watched(self, replicas: int) -> Iterator[None]:
        """The API, if there is one, and the first *replicas* are asked all the time, until the end.

        So is what was settled; `tell` is told.
        """
        self._sampler.start()
        try:
            self._watch(replicas)
            yield
        finally:
            for watch in self.watches:
                watch.stop(10.0)
            self._sampler.stop(5.0)

    def _look(self) -> Seen:
        settled = count_settled(self.database, self.load.run)
        return now(self.phase, len(self.load.attempts), settled, self.in_progress())

    def _watch(self, replicas: int) -> None:
        api = self.rig.named("api")
        self.rig.start(*api)
        for name in (*api, *self.workers[:replicas]):
            port = self.rig.port(name)
            watch = Watch(name, port, self.api_path(port) if name in api else READY)
            watch.start()
            self.watches.append(watch)

    def steady(self, seconds: float = 2.0) -> None:
        """Let load run for so long, and until some of it has been settled.

        Raises:
            CheckFailed: Nothing is settled; there is no steady state to disturb.
        """
        self.phase = "steady state"
        self.rest(seconds)
        self.until("an event to be settled", lambda: settled_events(self.database, self.load.run))

    def rest(self, seconds: float) -> None:
        """Let time pass, in which work goes on."""
        time.sleep(seconds * self.pace)

    def outlast(self, seconds: float) -> None:
        """Let so much time pass, however quick the rest is: what is shorter would not be felt."""
        time.sleep(seconds)

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
        self.phase = name
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
        """End the load, and wait until nothing of it is left anywhere.

        What does not change for STUCK seconds will never go, and is a problem.
        """
        self.phase = "drain"
        self.load.finish(PATIENCE)
        seen: dict[str, int] = {}
        changed = time.monotonic()
        end = changed + PATIENCE
        while (now := time.monotonic()) < end:
            self.rig.restart_dead()
            try:
                left = self._left()
            except StorageError:
                continue
            if not left:
                return True
            if left != seen:
                seen, changed = left, now
            elif now > changed + STUCK and PARKED not in left:
                what = ", ".join(f"{count} {name}" for name, count in left.items())
                self.problems.append(f"stuck, {STUCK:g} s without a change: {what}")
                return False
            time.sleep(0.1)
        return False

    def flush(self) -> None:
        """Empty the broker, and remember what it still held."""
        for body in self.broker_break.flush(self.load.topic, self.service):
            event = decode(body, self.load.topic, "")
            self.flushed.add(name_of(self.load.run, event.source, event.id))
        self.wire_since = time.time()

    def set_clock(self, moment: float) -> None:
        """Have the jobs' clock say *moment*, in epoch seconds, from now on."""
        assert self.clock_file is not None
        put(self.clock_file, repr(moment - time.time()))

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

    def is_over(self, tick: float) -> bool:
        """Whether a tick of the first job has its row, and is not running."""
        return self.state_of(tick) not in ("unknown", "running")

    def tick_after(self, moment: float) -> float:
        """The first job's next tick.

        Raises:
            CheckFailed: It has none.
        """
        found = self.next_tick(moment)
        if found is None:
            raise CheckFailed(f"{self.jobs[0]} never runs again")
        return found

    @property
    def course(self) -> Sequence[Seen]:
        """What was seen while the events were worked on."""
        return self._sampler.seen

    def answers_of_workers(self) -> list[Answer]:
        """What they said when they were asked whether they are ready."""
        return [answer for w in self.watches if w.path == READY for answer in w.answers]

    def answers_of_api(self) -> list[Answer]:
        """What its users got."""
        return [answer for w in self.watches if w.path != READY for answer in w.answers]

    def noticed(self) -> bool:
        """Whether a worker was not running since the first fault began."""
        began = self.faults[0].began
        return any(each.at >= began and not each.fine for each in self.answers_of_workers())

    def api_errors(self) -> int:
        """Questions that the API did not answer well since it was started."""
        return sum(not answer.fine for answer in self.answers_of_api())

    def has_outcome(self, ids: Collection[str]) -> bool:
        """Whether all of *ids* are settled."""
        return set(ids) <= {one.id for one in settled_events(self.database, self.load.run)}

    def publish_by_sidecar(self) -> None:
        """From now on the load goes through the sidecar."""
        assert self.by_sidecar is not None
        self.load.transport = self.by_sidecar

    def published_in(self, seconds: float) -> int:
        """Events that the load has published in the last *seconds*."""
        since = time.time() - seconds
        return sum(attempt.at >= since for attempt in list(self.load.attempts.values()))

    def _left(self) -> dict[str, int]:
        """What is not settled, parked, or not sent, where there is any."""
        counts = SqlStore(self.database).counts()
        overdue = count_overdue(self.database, time.time() - BUSY)
        waiting = {
            "events not settled": self.in_progress(),
            "parked events overdue": overdue,
            PARKED: counts["parked"] - overdue,
            "batches of follow-ups not sent": counts["outbox"],
        }
        return {name: count for name, count in waiting.items() if count > 0}
