"""Has handlers and jobs of a chaos run note down what they do, in their own transaction."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ..core.clock import Clock, SystemClock
from ..cron.job import CronJob, RunContext
from ..cron.worker import entries_of
from ..events.worker import EventContext, EventWorker
from ..storage.effects import effects, name_of

DEADLY, FAILING, RUDE = "deadly", "failing", "rude"
"""How the id of an event begins whose handler kills its process, raises at the first attempt, or
tries to roll back what its neighbours did."""


class WrongClock(SystemClock):
    """Wrong by as many seconds as *file* says, read anew each time."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def time(self) -> float:
        """Seconds since the epoch, more or less."""
        try:
            return super().time() + float(self.file.read_text())
        except (OSError, ValueError):
            return super().time()


@dataclass(frozen=True, slots=True)
class Probe:
    """What `WORKERKIT_PROBE` says.

    The run's id, how many seconds longer work takes, the attempts that every
    worker has, so that nobody waits for ten of them, and the file that says
    by how many seconds the clock of jobs is wrong.
    """

    run: str
    event_seconds: float = 0.0
    job_seconds: float = 0.0
    attempts: int | None = None
    clock_file: str = ""

    def setting(self) -> str:
        """As the environment variable has it."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def read(cls, setting: str) -> Probe:
        """What `setting` gave."""
        return cls(**orjson.loads(setting))

    def watch_worker(self, worker: EventWorker[Any], consumer: str) -> None:
        """Have *worker* note each event that it has handled, and announce it on topic *run*."""
        handle, failed = worker.handle, set[str]()

        def note(context: EventContext) -> None:
            event = context.event
            if event.id.startswith(DEADLY):
                os.kill(os.getpid(), signal.SIGKILL)
            name = name_of(self.run, event.source, event.id)
            self._note(context.session, consumer, name)
            context.publish(self.run, {"of": name, "by": consumer})
            # Once: a copy that an engine runs by mistake is to have its effect.
            if event.id.startswith(FAILING) and context.attempt == 1 and name not in failed:
                failed.add(name)
                raise RuntimeError("fails at the first attempt, as a chaos run wants it")
            if event.id.startswith(RUDE):
                with suppress(Exception):
                    context.session.rollback()

        def run(payload: Any, context: EventContext) -> None:
            handle(payload, context)
            time.sleep(self.event_seconds)
            note(context)

        async def run_async(payload: Any, context: EventContext) -> None:
            await handle(payload, context)  # type: ignore[misc]  # async def, as we looked
            await asyncio.sleep(self.event_seconds)
            note(context)

        chosen = run_async if inspect.iscoroutinefunction(handle) else run
        setattr(worker, "handle", chosen)  # noqa: B010  mypy refuses to see a method replaced
        if self.attempts is not None:
            setattr(worker, "retry", replace(worker.retry, attempts=self.attempts))  # noqa: B010

    def watch_job(self, service: str, job: CronJob) -> None:
        """Have *job* note each tick that it has run for."""
        (name,) = entries_of(service, [job])
        work = job.run

        # Before the work: a job frozen with SQLite's write lock in hand would stop all others.
        def run(context: RunContext) -> None:
            time.sleep(self.job_seconds)
            work(context)
            self._note(context.session, name, str(context.tick.timestamp()))

        async def run_async(context: RunContext) -> None:
            await asyncio.sleep(self.job_seconds)
            await work(context)  # type: ignore[misc]  # async def, as we looked
            self._note(context.session, name, str(context.tick.timestamp()))

        chosen = run_async if inspect.iscoroutinefunction(work) else run
        setattr(job, "run", chosen)  # noqa: B010  as above

    def clock(self) -> Clock:
        """The clock of jobs."""
        return WrongClock(Path(self.clock_file)) if self.clock_file else SystemClock()

    def _note(self, session: Any, consumer: str, what: str) -> None:
        row = {"run": self.run, "consumer": consumer, "what": what, "at": time.time()}
        session.execute(effects.insert(), row)
