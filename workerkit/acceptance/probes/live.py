"""Probes of what runs, and of what the services' databases remember."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence

from ...core.parts import reachable
from ...errors import StorageError
from ...events.worker import worker_name
from ...operate.checklist import Seen
from ...operate.smoke import METRICS
from ...operate.status import ProcessStatus
from ...operate.targets import Target, ask, url
from ...storage.inspection import applied, count_letters, table_version
from ..evidence import Evidence
from .guarded import open_on

START = "workerkit dev"

ENDED = ("failed", "timed_out", "abandoned")
"""How a run must not end; one that was skipped has not begun."""

COUNTERS = (
    r'^worker_jobs_total\{.*outcome="(applied|succeeded)".*\} [1-9]',
    r"^worker_job_duration_seconds_count\{.*\} [1-9]",
)
"""Lines of a worker that has done something, and has timed it."""

LOOKED_AT = 20
"""Runs of each job."""


_of_database = open_on(StorageError, "workerkit doctor")
"""A database that does not answer settles nothing."""


@_of_database
def settles(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each event worker has applied an event that its inbox still knows."""
    told = []
    for name, consumer, topic in _consumers(evidence, services):
        count, last = applied(evidence.project.database(name), consumer)
        command = f"workerkit publish {topic} --wait"
        if not count:
            return Seen("open", f"{consumer} has applied nothing here", command)
        told.append(f"{consumer} applied {count}, the last on {_day(last)}")
    if not told:
        return Seen("open", "there is no event worker", "workerkit add event-worker TOPIC")
    return Seen("done", ", ".join(told))


@_of_database
def no_dead_letters(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Nothing was given up on."""
    for name in services:
        database = evidence.project.database(name)
        dead = count_letters(database, dead=True) if table_version(database) else 0
        if dead:
            return Seen("open", f"{name} has {dead} dead letters", f"workerkit dlq list {name}")
    return Seen("done", f"none in {', '.join(services)}")


@_of_database
def jobs_succeed(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The last run of each job that was not left out has succeeded."""
    told = []
    for job, states in _histories(evidence, services):
        ran = [state for state in states if state != "skipped"]
        command = f"workerkit cron trigger {job} --wait"
        if not ran:
            return Seen("open", f"{job} has never run here", command)
        if ran[0] not in ("succeeded", "running"):
            return Seen("open", f"{job} {ran[0].replace('_', ' ')} at its last run", command)
        told.append(job)
    if not told:
        return Seen("open", "there is no job", "workerkit add cron-job NAME")
    return Seen("done", f"{', '.join(told)} succeeded at their last run")


@_of_database
def jobs_in_time(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Of each job's latest runs none was cut off, failed, or left by a process that died."""
    count = 0
    for job, states in _histories(evidence, services):
        bad = [state for state in states if state in ENDED]
        if bad:
            fact = f"{job}: {len(bad)} of {len(states)} runs {bad[0].replace('_', ' ')}"
            return Seen("open", fact, f"workerkit cron history {job}")
        if not states:
            return Seen("open", f"{job} has never run here", f"workerkit cron trigger {job} --wait")
        count += len(states)
    if not count:
        return Seen("open", "there is no job", "workerkit add cron-job NAME")
    return Seen("done", f"all of the last {count} runs")


def healthy(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each process of *services* answers, runs, and does what its mode says."""
    missing, told = [], []
    for name in services:
        for mode in evidence.modes(name):
            there = [p for p in evidence.processes if (p.service, p.mode) == (name, mode)]
            if not there or any(p.status != "running" for p in there):
                word = there[0].status if there else "does not answer"
                missing.append(f"{name} {mode} {word}")
            told += [f"{name} {mode} on {p.port}" for p in there]
    if missing or not told:
        return Seen("open", ", ".join(missing) or "nothing runs", START)
    return Seen("done", ", ".join(told))


def separated(evidence: Evidence, services: Sequence[str]) -> Seen:
    """No process does another's work, and each is there."""
    both = [f"{p.service} runs {p.mode}" for p in evidence.processes
            if p.service in services and p.mode in ("inline", "all")]  # fmt: skip
    if both:
        return Seen("open", ", ".join(both), "WORKER_MODE=api")
    return healthy(evidence, services)


def measurable(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each worker process exposes the four metrics."""
    workers, missing = _working(evidence, services)
    for process in workers:
        text = _metrics(evidence, process)
        without = [name for name in METRICS if f"# TYPE {name}" not in text]
        if without:
            fact = f"{process.service} {process.mode} exposes no {without[0]}"
            return Seen("open", fact, f"curl http://localhost:{process.port}/metrics")
    if missing or not workers:
        return Seen("open", f"not running here: {', '.join(missing) or 'any worker'}", START)
    return Seen("done", f"{', '.join(METRICS)} on {', '.join(str(p.port) for p in workers)}")


def counting(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each worker process has counted something that it did, and how long it took."""
    workers, missing = _working(evidence, services)
    for process in workers:
        text = _metrics(evidence, process)
        if not all(re.search(counter, text, re.M) for counter in COUNTERS):
            fact = f"{process.service} {process.mode} has counted nothing since it started"
            return Seen("open", fact, _work_for(evidence, process))
    if missing or not workers:
        return Seen("open", f"not running here: {', '.join(missing) or 'any worker'}", START)
    return Seen("done", f"{len(workers)} processes count, and time, what they do")


def _work_for(evidence: Evidence, process: ProcessStatus) -> str:
    """What gives *process* something to do."""
    topics = [topic for _, _, topic in _consumers(evidence, [process.service])]
    if topics and process.mode != "cron":
        return f"workerkit publish {topics[0]} --wait"
    jobs = list(evidence.project.jobs(process.service))
    return f"workerkit cron trigger {jobs[0]} --wait" if jobs else START


def _working(evidence: Evidence, services: Sequence[str]) -> tuple[list[ProcessStatus], list[str]]:
    """Worker processes that answer, and those that do not."""
    ours = [each for each in evidence.processes if each.service in services]
    there = [p for p in ours if p.mode != "api" and p.status in ("running", "degraded")]
    known = {(each.service, each.mode) for each in there}
    wanted = [(name, mode) for name in services for mode in evidence.modes(name) if mode != "api"]
    return there, [f"{name} {mode}" for name, mode in wanted if (name, mode) not in known]


def _metrics(evidence: Evidence, process: ProcessStatus) -> str:
    host = reachable(evidence.project.environment.worker_host)
    target = Target(process.service, process.mode, url(host, process.port))
    return ask(target, "/metrics").body.decode("utf-8", "replace")


def _consumers(evidence: Evidence, services: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Service, consumer and topic of each event worker."""
    for name in services:
        for worker in evidence.services[name].events if name in evidence.services else ():
            yield name, f"{name}/{worker_name(worker)}", worker.topic


def _histories(evidence: Evidence, services: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The states of each job's latest runs, the latest first."""
    for name in services:
        if name not in evidence.services:
            continue
        there = table_version(evidence.project.database(name))
        for job in evidence.project.jobs(name):
            runs = evidence.project.ledger(name).history(job, LOOKED_AT) if there else []
            yield job, [run.state for run in runs]


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
