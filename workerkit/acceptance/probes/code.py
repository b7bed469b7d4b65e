"""Probes of a project's code: it is read and put together, and nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from ...core.source import syntax_errors
from ...cron.job import check_job, job_name
from ...events.worker import EventWorker, worker_name
from ...operate.architecture import DOCUMENT, stale
from ...operate.checklist import Seen
from ..evidence import Evidence


def readable(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Python can read every module."""
    files = evidence.project.sources()
    wrong = list(syntax_errors(files, evidence.folder))
    if wrong:
        return Seen("open", wrong[0], "workerkit check")
    return Seen("done", f"{len(files)} modules")


def wired(evidence: Evidence, services: Sequence[str]) -> Seen:
    """`wire` of each service returns something."""
    wrong = [f"{name}: {evidence.broken[name]}" for name in services if name in evidence.broken]
    if wrong:
        return Seen("open", wrong[0], "workerkit check")
    return Seen("done", ", ".join(evidence.project.file.services[name].wire for name in services))


def handles_events(evidence: Evidence, services: Sequence[str]) -> Seen:
    """There is an event worker."""
    workers = [f"{worker_name(w)} on {w.topic}" for _, w in _workers(evidence, services)]
    if not workers:
        return Seen("open", f"{_named(services)} handles no topic", "give wire() an EventWorker")
    return Seen("done", ", ".join(workers))


def has_jobs(evidence: Evidence, services: Sequence[str]) -> Seen:
    """There is a job, with a schedule."""
    jobs = [
        f"{job_name(job)} {check_job(job).words()}"
        for name in services if name in evidence.services
        for job in evidence.services[name].cron
    ]  # fmt: skip
    if not jobs:
        return Seen("open", f"{_named(services)} has no job", "give wire() a CronJob")
    return Seen("done", ", ".join(jobs))


def entry_point(evidence: Evidence, services: Sequence[str]) -> Seen:
    """`python -m SERVICE.worker` starts the workers without the API."""
    missing = []
    for name in services:
        package = evidence.project.file.services[name].wire.partition(":")[0].partition(".")[0]
        file = f"{package}/worker/__main__.py"
        if (evidence.folder / package).is_dir() and f'"run", "{name}"' not in evidence.text(file):
            missing.append(f'{file} does not call main(["run", "{name}", ...])')
    if missing:
        return Seen("open", missing[0], f"write {missing[0].partition(chr(32))[0]}")
    return Seen("done", ", ".join(f"python -m {name}.worker" for name in services))


def tries_again(evidence: Evidence, services: Sequence[str]) -> Seen:
    """More than one attempt, with growing waits."""
    workers = list(_workers(evidence, services))
    for name, worker in workers:
        if worker.retry.attempts < 2 or worker.retry.factor <= 1:
            fact = f"{name}/{worker_name(worker)} has {worker.retry.attempts} attempts, each "
            fact += f"{worker.retry.factor:g} times as late as the one before"
            return Seen("open", fact, "retry = Retry(attempts=10, first=0.2, factor=2.0)")
    if not workers:
        return Seen("open", "there is no event worker", "give wire() an EventWorker")
    return Seen("done", ", ".join(
        f"{worker_name(w)}: {w.retry.attempts} attempts" for _, w in workers
    ))  # fmt: skip


def has_timeouts(evidence: Evidence, services: Sequence[str]) -> Seen:
    """Each job has a `timeout`."""
    jobs = evidence.project.jobs() if not evidence.broken else {}
    ours = {n: e.job for n, e in jobs.items() if n.partition("/")[0] in services}
    without = [name for name, job in ours.items() if job.timeout is None]
    if without or not ours:
        fact = f"{', '.join(without)}: none" if without else "there is no job"
        return Seen("open", fact, "timeout = 240.0  # seconds, in the job's class")
    return Seen("done", ", ".join(f"{n}: {job.timeout:g} s" for n, job in ours.items()))


def tested(evidence: Evidence, services: Sequence[str]) -> Seen:
    """A test below `tests` uses the class of each worker and job."""
    wanted = {
        type(part).__name__
        for name in services if name in evidence.services
        for part in (*evidence.services[name].events, *evidence.services[name].cron)
    }  # fmt: skip
    without = sorted(wanted - _names_in_tests(evidence))
    if without or not wanted:
        fact = f"no test uses {', '.join(without)}" if without else "there is nothing to test"
        return Seen("open", fact, "pytest")
    return Seen("done", f"tests use {', '.join(sorted(wanted))}")


def drawn(evidence: Evidence, services: Sequence[str]) -> Seen:
    """The generated parts of the architecture's document are what the code says."""
    text = evidence.text(DOCUMENT)
    write = "workerkit architecture"
    if not text:
        return Seen("open", f"there is no {DOCUMENT}", write)
    old = stale(text, evidence.services, evidence.project.file, evidence.folder)
    if old:
        return Seen("open", f"{DOCUMENT} is not what the code says: {', '.join(old)}", write)
    return Seen("done", f"{DOCUMENT} is what the code says")


def _workers(
    evidence: Evidence, services: Sequence[str]
) -> Iterator[tuple[str, EventWorker[object]]]:
    for name in services:
        if name in evidence.services:
            yield from ((name, worker) for worker in evidence.services[name].events)


def _names_in_tests(evidence: Evidence) -> set[str]:
    """Every name that a test file mentions in its code."""
    found: set[str] = set()
    for path in (evidence.folder / "tests").rglob("*.py"):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return found


def _named(services: Sequence[str]) -> str:
    return ", ".join(services) or "the project"
