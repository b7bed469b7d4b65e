"""What can be done to a project, one function a scenario."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from .breaks import SLOW
from .evidence import of_job
from .proxy import Toxic
from .stage import Stage
from .verdict import Evidence

Play = Callable[[Stage], "Evidence | None"]
"""Disturbs what is on the stage; one about jobs returns the evidence to judge it by."""

BROKEN = 3.0
"""Seconds that something is slow or silent."""

AWAY = 6.5
"""Seconds that something is away: for five of them SQLite waits for a lock and says nothing."""

KILLS = 3

DRAIN = 25.0
"""Seconds that a process has to end by itself."""


def kill_worker(stage: Stage) -> None:
    """SIGKILL while events are handled, then a new process; and again, as moments differ."""
    worker = stage.workers[0]
    for _ in range(KILLS):
        with stage.fault("SIGKILL"):
            stage.rig.kill(worker)
        stage.rig.start(worker)
        stage.rest(0.5)


def stop_worker(stage: Stage) -> None:
    """SIGTERM while events are handled, then a new process."""
    worker = stage.workers[0]
    with stage.fault("SIGTERM"):
        code = stage.rig.drain(worker, DRAIN)
    if code != 0:
        stage.problems.append(f"{worker} ended with {code} after SIGTERM, must be 0 in {DRAIN:g} s")
    stage.rig.start(worker)


def freeze_worker(stage: Stage) -> None:
    """SIGSTOP beyond the lease while another replica works, then SIGCONT."""
    worker = stage.workers[0]
    with stage.fault("SIGSTOP"):
        stage.rig.freeze(worker)
        stage.outlast(1.5 * stage.lease)
        stage.rig.thaw(worker)


def lose_db(stage: Stage) -> None:
    """The service's database takes no write."""
    with stage.fault("database away"), stage.database_break.away():
        stage.outlast(AWAY)


def lose_broker(stage: Stage) -> None:
    """The broker takes and hands out nothing."""
    with stage.fault("broker away"), stage.broker_break.away():
        stage.outlast(AWAY)


def slow_db(stage: Stage) -> None:
    """Every answer of the database is late."""
    with stage.fault("database slow"), stage.database_break.poisoned(SLOW):
        stage.rest(BROKEN)


def slow_broker(stage: Stage) -> None:
    """Every answer of the broker is late."""
    with stage.fault("broker slow"), stage.broker_break.poisoned(SLOW):
        stage.rest(BROKEN)


def flaky_broker(stage: Stage) -> None:
    """Connections to the broker are reset, five times."""
    with stage.fault("connections reset"):
        for _ in range(5):
            with stage.broker_break.poisoned(Toxic(reset_peer=True)):
                stage.rest(0.1)
            stage.rest(0.5)


def half_open(stage: Stage) -> None:
    """The broker is silent on connections that stay open."""
    with stage.fault("half-open"), stage.broker_break.poisoned(Toxic(timeout=True)):
        stage.rest(2 * BROKEN)


def flush_redis(stage: Stage) -> None:
    """The broker is emptied; what it still held is gone, and nothing else is."""
    with stage.fault("flushed"):
        stage.flush()
    stage.until("the worker to report the loss", stage.noticed, 10.0)


def disk_full(stage: Stage) -> None:
    """The worker can write no file, as on a full disk."""
    with stage.fault("disk full"), stage.rig.files_full(stage.workers[0]):
        stage.rest(BROKEN)


def duplicate_events(stage: Stage) -> None:
    """Events are published a second time, and other events under the same ids."""
    ids = stage.load.again(100)
    with stage.fault("published twice", hit=len(ids)):
        stage.load.twins(ids)
        stage.rest(0.5)


def reorder_events(stage: Stage) -> None:
    """Events are published in the wrong order."""
    with stage.fault("published backwards", hit=100):
        stage.load.backwards(100)
        stage.rest(0.5)


def failing_handler(stage: Stage) -> None:
    """Handlers raise at their first attempt; copies of their events come before the second."""
    with stage.fault("handlers raise", hit=20):
        stage.load.failing(20)
        for _ in range(5):
            stage.rest(0.1)
            stage.load.again(20, "failing")


def rude_handler(stage: Stage) -> None:
    """Handlers try to roll back the transaction that they share."""
    with stage.fault("rolled back"):
        for number in range(5):
            stage.load.rude(number)
            stage.rest(0.1)


def poison_event(stage: Stage) -> None:
    """Events come whose payload cannot be read."""
    with stage.fault("poison", hit=5):
        stage.load.poison(5)
        stage.rest(0.5)


def deadly_event(stage: Stage) -> None:
    """An event comes that kills the process that handles it."""
    with stage.fault("deadly event", hit=1):
        stage.load.deadly(1)
        deadly = {id for id, attempt in stage.load.attempts.items() if attempt.kind == "deadly"}

        def given_up() -> bool:
            stage.rig.restart_dead()
            return stage.has_outcome(deadly)

        stage.until("the deadly event to be given up", given_up, 120.0)


def scale(stage: Stage) -> None:
    """Two replicas join under load, and leave again."""
    joining = stage.workers[1:3]
    with stage.fault("replicas join and leave"):
        stage.rig.start(*joining)
        stage.rest(1.0)
        for worker in joining:
            stage.rig.drain(worker, DRAIN)


def restart_all(stage: Stage) -> None:
    """Every worker is replaced, one after another, and the API answers all the while."""
    stage.rig.start(*stage.rig.named("cron")[:1])
    running = [*stage.workers[:2], *stage.rig.named("cron")[:1]]
    with stage.fault("workers replaced"):
        for worker in running:
            code = stage.rig.drain(worker, DRAIN)
            if code != 0:
                stage.problems.append(f"{worker} ended with {code}, must be 0 in {DRAIN:g} s")
            stage.rig.start(worker)
    failed = stage.api_errors()
    if failed:
        stage.problems.append(f"the API failed {failed} times")


def kill_sidecar(stage: Stage) -> None:
    """SIGKILL the sidecar while events come through it, then a new one; and again."""
    (sidecar,) = stage.rig.named("sidecar")
    stage.rig.start(sidecar)
    stage.publish_by_sidecar()
    stage.rest(1.0)
    for _ in range(KILLS):
        with stage.fault("SIGKILL of the sidecar", hit=stage.published_in(1.0)):
            stage.rig.kill(sidecar)
        stage.rig.start(sidecar)
        stage.rest(1.0)


def kill_cron(stage: Stage) -> Evidence:
    """SIGKILL in the middle of a job; it must complete the next time."""
    worker = stage.rig.named("cron")[0]
    stage.rig.start(worker)
    killed = stage.run_job(worker)
    running = stage.state_of(killed) == "running"
    with stage.fault("SIGKILL in a job", hit=int(running)):
        stage.rig.kill(worker)
    stage.rig.start(worker)
    stage.until("the run to be abandoned", lambda: stage.state_of(killed) != "running")
    done = stage.run_job(worker)
    stage.until("the job to complete", lambda: stage.state_of(done) != "running")
    stage.rig.drain(worker, DRAIN)
    return of_job(stage, killed, done)


def two_schedulers(stage: Stage) -> Evidence:
    """One of two cron workers stands still in the middle of a job, and wakes up too late."""
    frozen, other = stage.rig.named("cron")[:2]
    stage.rig.start(frozen, other)
    killed = stage.run_job(frozen)
    running = stage.state_of(killed) == "running"
    with stage.fault("SIGSTOP in a job", hit=int(running)):
        stage.rig.freeze(frozen)
        stage.until("the run to be abandoned", lambda: stage.state_of(killed) != "running")
        done = stage.run_job(other)
        stage.until("the job to complete", lambda: stage.state_of(done) != "running")
        stage.rig.thaw(frozen)
    # The run that it was in the middle of ends before another one of the job begins there.
    last = stage.run_job(frozen)
    stage.until("the job to run where it woke up", lambda: stage.state_of(last) != "running")
    for worker in (frozen, other):
        stage.rig.drain(worker, DRAIN)
    return of_job(stage, killed, done)


def clock_jump(stage: Stage) -> Evidence:
    """The clock is set to just before a tick, back before it, then an hour beyond the next."""
    worker = stage.rig.named("cron")[0]
    tick = stage.tick_after(time.time() + 60.0)
    # Before its clock is set: a start that takes longer than that would have the tick behind it.
    stage.rig.start(worker)
    stage.set_clock(tick - 2.0)
    stage.until("the tick to be run", lambda: stage.state_of(tick) == "succeeded")
    with stage.fault("clock set back", hit=1):
        stage.set_clock(tick - 2.0)
        stage.rest(4.0)
    late = stage.tick_after(tick)
    with stage.fault("clock set forward", hit=1):
        stage.set_clock(late + 3600.0)
        stage.until("a row for the tick that was jumped over", lambda: stage.is_over(late))
    stage.rig.drain(worker, DRAIN)
    return of_job(stage)


FAULTS = (
    kill_worker, stop_worker, freeze_worker, lose_db, lose_broker, slow_db, slow_broker,
    flaky_broker, half_open, duplicate_events, reorder_events, poison_event, failing_handler,
    rude_handler, disk_full, scale,
)  # fmt: skip
"""What `random` draws from."""


def random_faults(seconds: float, seed: int, unfit: Collection[Play]) -> Play:
    """One of FAULTS after another for so long, but for *unfit*; the same ones for a seed."""

    def act(stage: Stage) -> None:
        dice = random.Random(seed)
        fit = [fault for fault in FAULTS if fault not in unfit]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            dice.choice(fit)(stage)
            stage.rest(dice.uniform(0.5, 2.0))

    return act


PLAYS: Mapping[str, Play] = MappingProxyType({
    "kill-worker": kill_worker, "stop-worker": stop_worker, "freeze-worker": freeze_worker,
    "lose-db": lose_db, "lose-broker": lose_broker, "slow-db": slow_db,
    "slow-broker": slow_broker, "flaky-broker": flaky_broker, "half-open": half_open,
    "flush-redis": flush_redis, "disk-full": disk_full,
    "duplicate-events": duplicate_events, "reorder-events": reorder_events,
    "poison-event": poison_event, "deadly-event": deadly_event,
    "failing-handler": failing_handler, "rude-handler": rude_handler, "scale": scale,
    "restart-all": restart_all, "kill-sidecar": kill_sidecar, "kill-cron": kill_cron,
    "two-schedulers": two_schedulers, "clock-jump": clock_jump,
})  # fmt: skip
"""What each scenario of the catalogue does."""
