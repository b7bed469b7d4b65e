"""Probes of a project's code: it is read and put together, and nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from ...core.loading import home_of
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
        return Seen(
            "open", f"{_named(services)} handles no topic", "workerkit add event-worker TOPIC"
        )
    return Seen("done", ", ".join(workers))


def has_jobs(evidence: Evidence, services: Sequence[str]) -> Seen:
    """There is a job, with a schedule."""
    jobs = [
        f"{job_name(job)} {check_job(job).words()}"
        for name in services if name in evidence.services
        for job in evidence.services[name].cron
    ]  # fmt: skip
    if not jobs:
        return Seen("open", f"{_named(services)} has no job", "workerkit add cron-job NAME")
    return Seen("done", ", ".join(jobs))


def entry_point(evidence: Evidence, services: Sequence[str]) -> Seen:
    """`python -m SERVICE.worker` starts the workers without the API."""
    missing = []
    for name in services:
        home = home_of(evidence.project.file.services[name].wire, evidence.folder)
        file = f"{home.name}/worker/__main__.py"
        if home.is_dir() and f'"run", "{name}"' not in evidence.text(file):
            missing.append((file, f'main(["run", "{name}", *sys.argv[1:]])'))
    if missing:
        file, call = missing[0]
        return Seen("open", f"{file} does not call {call}", f"edit {file}")
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
        return Seen("open", "there is no event worker", "workerkit add event-worker TOPIC")
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
    """A test below `tests` names each worker's class or topic, and each job's class or name."""
    wanted: dict[str, set[str]] = {}
    for name in services:
        service = evidence.services.get(name)
        for worker in service.events if service else ():
            wanted[type(worker).__name__] = {type(worker).__name__, worker.topic}
        for job in service.cron if service else ():
            wanted[type(job).__name__] = {type(job).__name__, job_name(job)}
    named = _names_in_tests(evidence)
    without = sorted(part for part, names in wanted.items() if not names & named)
    if without or not wanted:
        fact = f"no test names {', '.join(without)}" if without else "there is nothing to test"
        return Seen("open", fact, "write a test of it below tests/")
    return Seen("done", f"tests name {', '.join(sorted(wanted))}")


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
    """Every name and every text in the code of the tests."""
    found: set[str] = set()
    for path in (evidence.folder / "tests").rglob("*.py"):
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        found |= {text for text in texts if isinstance(text, str)}
    return found


def _named(services: Sequence[str]) -> str:
    return ", ".join(services) or "the project"
