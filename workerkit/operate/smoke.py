"""Whether a deployment works: asked, not read. What it answers makes checks, and a verdict."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..config.project_file import SmokeEntry
from ..cron.line import Entry
from ..errors import ConfigurationError
from ..events.envelope import moment
from .targets import Answer, Target, ask, named

METRICS = (
    "worker_jobs_total", "worker_job_duration_seconds", "worker_queue_size", "worker_errors_total",
)  # fmt: skip
"""What every worker exposes (DESIGN: what every worker shows)."""

SAMPLES = 40
"""Questions to each API from which its p95 is taken."""

Result = Literal["pass", "fail", "not proven"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; `holds` is None when it could not be tried, and `seen` says why."""

    name: str
    holds: bool | None
    seen: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A deployment as it was found; `at` in epoch seconds, *watched* for so many seconds.

    `where` are its processes with their URLs, `code` the project's digest.
    """

    at: float
    watched: float
    where: tuple[str, ...]
    checks: tuple[Check, ...]
    code: str = ""

    @property
    def result(self) -> Result:
        """The worst of the checks."""
        outcomes = {check.holds for check in self.checks}
        return "fail" if False in outcomes else "not proven" if None in outcomes else "pass"


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is to be verified, and how.

    `asked` are paths of APIs by service, of which the p95 must be below
    *p95* seconds; `smoke` is the event to send, `jobs` those that must have run.
    """

    targets: Sequence[Target]
    jobs: Mapping[str, Entry]
    asked: Mapping[str, Sequence[str]]
    p95: float
    smoke: SmokeEntry | None


def ready(deployment: Deployment, patience: float) -> bool:
    """Wait *patience* seconds at most until every process says it is ready; whether all did."""
    end = time.monotonic() + patience
    waiting = [target for target in deployment.targets if target.service != "sidecar"]
    while waiting and time.monotonic() < end:
        if ask(waiting[0], "/readyz").fine:
            waiting.pop(0)
        else:
            time.sleep(0.1)
    return not waiting


def verify(deployment: Deployment, tell: Callable[[Check], object]) -> tuple[Check, ...]:
    """Try everything once, and *tell* of each check when it is made."""
    found = []
    for check in _checks(deployment):
        tell(check)
        found.append(check)
    return tuple(found)


def watch(
    deployment: Deployment, lasting: float, every: float, stop: threading.Event,
    tell: Callable[[float, Sequence[Check]], object],
) -> tuple[Check, ...]:  # fmt: skip
    """Go on for *lasting* seconds; ends with the first check that broke twice running.

    Each *every* seconds all processes are asked for health and jobs, and each
    API once; *tell* gets the seconds that are over and what is broken then.
    """
    began = time.monotonic()
    letters = _dead(deployment)
    broken: set[str] = set()
    looks = 0
    slow: list[float] = []
    while not stop.wait(max(0.0, began + looks * every - time.monotonic())):
        checks = [*_processes(deployment), *_cron(deployment), _letters(deployment, letters)]
        checks += _answered(deployment, slow)
        looks += 1
        now = {check.name for check in checks if check.holds is False}
        tell(time.monotonic() - began, [check for check in checks if check.name in now])
        twice = [check for check in checks if check.name in now & broken]
        if twice:
            return (*twice, _course(looks, time.monotonic() - began, lasting, slow))
        broken = now
        if time.monotonic() - began >= lasting:
            break
    after = _course(looks, time.monotonic() - began, lasting, slow)
    last = tuple(c for c in verify(deployment, lambda check: None) if not stop.is_set())
    return (after, *last)


def _course(looks: int, seconds: float, lasting: float, slow: Sequence[float]) -> Check:
    p95 = f", API p95 {_p95(slow) * 1000:.0f} ms" if slow else ""
    whole = seconds >= lasting
    return Check(
        f"watched for {lasting:g} s", True if whole else None,
        f"{looks} looks in {seconds:.0f} s{p95}",
    )  # fmt: skip


def _checks(deployment: Deployment) -> Iterator[Check]:
    letters = _dead(deployment)
    yield from _processes(deployment)
    for target in deployment.targets:
        if target.mode in ("events", "cron", "all", "inline"):
            yield _metrics(target)
    yield from _cron(deployment)
    yield _event(deployment)
    yield from _latency(deployment)
    yield _letters(deployment, letters)


def _processes(deployment: Deployment) -> Iterator[Check]:
    for target in deployment.targets:
        if target.service != "sidecar":
            yield _health(target, ask(target, "/health"))


def _health(target: Target, answer: Answer) -> Check:
    """Itself, running, and in its mode: a worker that runs in an API too is not separated."""
    told = answer.json if answer.status in (200, 503) else None
    name = f"{target.name}: health"
    if not isinstance(told, dict) or "service" not in told:
        return Check(name, False, f"{target.url}/health: {answer.shown}")
    there = f"{told.get('service')} {told.get('mode')}"
    troubles = [w["trouble"] for w in told.get("workers", ()) if w.get("trouble")]
    said = ", ".join([str(told.get("status")), *troubles])
    fine = told.get("status") == "running" and there == target.name
    return Check(name, fine, said if there == target.name else f"is {there}, {said}")


def _metrics(target: Target) -> Check:
    answer = ask(target, "/metrics")
    text = answer.body.decode("utf-8", "replace") if answer.fine else ""
    missing = [name for name in METRICS if f"# TYPE {name}" not in text]
    seen = answer.shown if not answer.fine else f"without {', '.join(missing)}"
    return Check(f"{target.name}: metrics", not missing, seen if missing else "all four are there")


def _cron(deployment: Deployment) -> Iterator[Check]:
    """Each job has succeeded at its last tick but one, or was not due since its process began."""
    now = time.time()
    for target in deployment.targets:
        if target.mode not in ("cron", "all", "inline"):
            continue
        told = ask(target, "/health").json
        workers = told.get("workers", ()) if isinstance(told, dict) else ()
        for worker in workers:
            entry = deployment.jobs.get(worker.get("name", ""))
            if worker.get("kind") == "cron" and entry is not None:
                yield _fresh(entry, worker, moment(told.get("started_at")) or now, now)


def _fresh(entry: Entry, worker: Mapping[str, Any], started: float, now: float) -> Check:
    last = moment(worker.get("last_success_at"))
    due = entry.success_due(max(started, last or 0.0))
    if due is not None and now > due:
        late = f"was to succeed {now - due:.0f} s ago, and has not succeeded since"
        return Check(entry.name, False, late)
    return Check(entry.name, True, f"succeeded {now - last:.0f} s ago" if last else "not due yet")


def _event(deployment: Deployment) -> Check:
    """A number that was not there before goes in at one end, and must come out at the other."""
    smoke, name = deployment.smoke, "an event from end to end"
    if smoke is None:
        return Check(name, None, "workerkit.toml has no [smoke] that says what to send")
    try:
        sender = named(deployment.targets, smoke.send.to, "workerkit.toml: smoke.send.to")
        viewer = named(deployment.targets, smoke.see.at, "workerkit.toml: smoke.see.at")
    except ConfigurationError as error:
        return Check(name, None, str(error))
    before = _field(ask(viewer, smoke.see.path), smoke.see.field)
    number = secrets.randbelow(900) + 100
    number += _shows(before, number)
    sent = ask(sender, smoke.send.path, _filled(smoke.send.body, number))
    if not sent.fine:
        return Check(name, False, f"{sender.name} {smoke.send.path}: {sent.shown}")
    began = time.monotonic()
    while time.monotonic() - began < smoke.within:
        seen = ask(viewer, smoke.see.path)
        if _shows(_field(seen, smoke.see.field), number):
            took = time.monotonic() - began
            return Check(name, True, f"{number} sent to {sender.name}, seen at {viewer.name} "
                         f"after {took:.2f} s")  # fmt: skip
        time.sleep(0.02)
    there = _field(seen, smoke.see.field)
    return Check(name, False, f"{number} sent to {sender.name}; after {smoke.within:g} s "
                 f"{viewer.name} shows {there if seen.fine else seen.shown}")  # fmt: skip


def _latency(deployment: Deployment) -> Iterator[Check]:
    for target, paths in _apis(deployment):
        if not paths:
            yield Check(f"{target.name}: p95", None, "nothing is known to ask it: give requests "
                        "in workerkit.toml")  # fmt: skip
            continue
        answers = [ask(target, paths[n % len(paths)]) for n in range(SAMPLES)]
        bad = [answer for answer in answers if not answer.fine]
        p95 = _p95([answer.took for answer in answers])
        name = f"{target.name}: p95"
        if bad:
            yield Check(name, False, f"{len(bad)} of {SAMPLES} failed: {bad[0].shown}")
        else:
            said = f"{p95 * 1000:.1f} ms, one at a time; must be below"
            yield Check(name, p95 < deployment.p95, f"{said} {deployment.p95 * 1000:.0f} ms")


def _answered(deployment: Deployment, slow: list[float]) -> Iterator[Check]:
    """One question to each API; how long it took goes to *slow*."""
    for target, paths in _apis(deployment):
        if not paths:
            continue
        answer = ask(target, paths[len(slow) % len(paths)])
        slow.append(answer.took)
        yield Check(f"{target.name}: answers", answer.fine, answer.shown)


def _apis(deployment: Deployment) -> Iterator[tuple[Target, Sequence[str]]]:
    for target in deployment.targets:
        if target.mode in ("api", "inline"):
            yield target, deployment.asked.get(target.service, ())


def _letters(deployment: Deployment, before: Mapping[str, int]) -> Check:
    more = {name: count for name, count in _dead(deployment).items() if count > before.get(name, 0)}
    said = ", ".join(f"{name} has {count}" for name, count in more.items())
    return Check("no new dead letters", not more, said or f"{sum(before.values())} as before")


def _dead(deployment: Deployment) -> dict[str, int]:
    """By service; of one that does not answer nothing is known, and its health says so."""
    found: dict[str, int] = {}
    for target in deployment.targets:
        told = ask(target, "/health").json if target.service != "sidecar" else None
        if isinstance(told, dict) and isinstance(told.get("dead"), int):
            found[target.service] = max(found.get(target.service, 0), told["dead"])
    return found


def _filled(body: Any, number: int) -> Any:
    if isinstance(body, dict):
        return {name: _filled(value, number) for name, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, number) for value in body]
    if body == "{number}":
        return number
    return body.replace("{number}", str(number)) if isinstance(body, str) else body


def _shows(value: Any, number: int) -> bool:
    """Whether *value* is *number*, or a text with it."""
    return value == number or (isinstance(value, str) and str(number) in value.split())


def _field(answer: Answer, field: str) -> Any:
    found = answer.json if answer.fine else None
    return found.get(field) if isinstance(found, dict) else None


def _p95(values: Sequence[float]) -> float:
    """By the nearest rank."""
    return sorted(values)[-(-len(values) * 95 // 100) - 1]
