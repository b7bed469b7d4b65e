"""What `workerkit chaos SCENARIO` does: a project of its own for each scenario, and a verdict."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from ..chaos.catalogue import SCENARIOS, Scenario
from ..chaos.journal import write_journal
from ..chaos.load import Load
from ..chaos.play import play
from ..chaos.probe import Probe
from ..chaos.rig import Rig
from ..chaos.scenarios import PLAYS
from ..chaos.stage import Stage
from ..chaos.verdict import Verdict
from ..config.inherited import environment_with
from ..config.settings import read_environment, redis_url
from ..core.parts import Part, with_ports
from ..errors import ConfigurationError, WorkerkitError
from ..events.worker import worker_name
from ..process import parts_of
from ..project import Project
from ..publisher import plan
from ..storage.effects import prepare_effects
from . import show
from .signals import ended_in_order

LEASE = 2.0
"""Seconds after which a dead process's work goes to another: nobody wants to wait for 30."""

EVENT_SECONDS, JOB_SECONDS = 0.005, 1.0
"""How much longer handlers and jobs take, so that a fault hits work in progress."""

ATTEMPTS = 3

EXIT_CODES = {"pass": 0, "fail": 5, "not proven": 6}


@dataclass(frozen=True, slots=True)
class Request:
    """The flags."""

    scenarios: tuple[str, ...]
    service: str | None
    topic: str | None
    rate: float
    quick: bool
    keep: Path | None
    dry_run: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Played:
    """One scenario, its verdict, and how long it took in seconds."""

    scenario: str
    service: str
    verdict: Verdict
    began: float
    seconds: float


def run(request: Request, folder: Path) -> int:
    """Play what is asked for; the worst verdict's exit code."""
    wanted = [one for one in SCENARIOS if one.name in request.scenarios]
    played: list[Played] = []
    with ended_in_order():
        for scenario in wanted:
            with _own_data() as data, _project(folder, data) as project:
                service = _target(project, scenario, request.service)
                if service is None:
                    _left_out(request, scenario)
                    continue
                if request.dry_run:
                    show.note(f"{scenario.name}: {scenario.words} On {service}, in {data}")
                    continue
                one = _play(project, scenario, service, data, request)
                played.append(one)
                if not request.as_json:
                    _tell(one)
    if request.as_json:
        show.json(played)
    if request.keep and played:
        write_journal(request.keep, [(p.scenario, p.verdict, p.began, p.seconds) for p in played])
    return max((EXIT_CODES[one.verdict.result] for one in played), default=0)


def _play(
    project: Project, scenario: Scenario, service: str, data: Path, request: Request
) -> Played:
    began = time.time()
    with ExitStack() as stack:
        stage = _stage(project, service, data, request, stack)
        verdict = play(scenario, PLAYS[scenario.name], stage)
    return Played(scenario.name, service, verdict, began, time.time() - began)


def _stage(project: Project, service: str, data: Path, request: Request, stack: ExitStack) -> Stage:
    """Everything that *service* needs to run and be seen, in *data*."""
    run = f"chaos-{token_hex(4)}"
    database = project.database(service)
    if database.file is None:
        raise ConfigurationError(f"chaos plays on SQLite only, not on {database.shown}")
    project.upgrade(service)
    prepare_effects(database)
    workers = project.service(service).events
    topic = request.topic or (workers[0].topic if workers else "")
    listeners = [worker for worker in workers if worker.topic == topic]
    probe = Probe(run, EVENT_SECONDS, JOB_SECONDS, ATTEMPTS)
    environment = environment_with(
        WORKERKIT_DATA=str(data), WORKER_LEASE=str(LEASE), WORKERKIT_PROBE=probe.setting(),
        WORKER_MODE="", LOG_FORMAT="json", PYTHONUNBUFFERED="1",
    )  # fmt: skip
    parts = [Part(service, mode, 0, n) for mode in ("cron", "events") for n in (1, 2, 3)]
    rig = stack.enter_context(
        Rig(with_ports(parts), project.folder, environment, data / "processes.log")
    )
    planned: Any = plan(project, topic).data if workers else None
    load = Load(project.transport, topic, planned, run, request.rate, listeners)
    stack.callback(load.stop)
    return Stage(
        rig=rig, load=load, broker=project.transport, broker_file=data / "broker.db",
        database=database, database_file=database.file, service=service,
        consumers=[f"{service}/{worker_name(worker)}" for worker in listeners],
        jobs=list(project.jobs(service)), ledger=project.ledger(service), lease=LEASE,
        pace=0.5 if request.quick else 1.0,
    )  # fmt: skip


def _target(project: Project, scenario: Scenario, wanted: str | None) -> str | None:
    """The service to disturb: *wanted*, else the first that has workers of the mode."""
    names = [project.check(wanted)] if wanted else list(project.file.services)
    having = [name for name in names if parts_of(project.modes(name), scenario.mode)]
    if wanted and not having:
        raise ConfigurationError(f"{wanted} has no {scenario.mode} workers to disturb")
    return having[0] if having else None


def _left_out(request: Request, scenario: Scenario) -> None:
    said = f"{scenario.name}: no service here has {scenario.mode} workers"
    if len(request.scenarios) == 1:
        raise ConfigurationError(said)
    if not request.as_json:
        show.note(f"{said}, left out")


def _tell(played: Played) -> None:
    verdict = played.verdict
    recovery = "-" if verdict.recovery is None else show.duration(verdict.recovery)
    counts = ", ".join((
        f"{verdict.confirmed} published", f"{verdict.applied} applied", f"{verdict.dead} dead",
        f"{verdict.lost} lost", f"{verdict.duplicated} done twice",
    ))  # fmt: skip
    show.note(
        f"{verdict.result}: {played.scenario} on {played.service} in "
        f"{show.duration(played.seconds)}: {counts}; "
        f"hit {verdict.hit} in progress, recovered in {recovery}"
    )
    for reason in verdict.reasons:
        show.note(f"    {reason}")


@contextmanager
def _project(folder: Path, data: Path) -> Iterator[Project]:
    ours = read_environment()
    environment = ours.model_copy(update={"workerkit_data": str(data), "worker_lease": LEASE})
    project = Project.open(folder, environment)
    try:
        if redis_url(project.file, ours):
            raise ConfigurationError("chaos plays on the embedded broker only: unset REDIS_URL")
        yield project
    finally:
        project.close()


@contextmanager
def _own_data() -> Iterator[Path]:
    """A temporary folder; it stays when something did not start, for its log is wanted then."""
    folder = Path(tempfile.mkdtemp(prefix="workerkit-chaos-"))
    wanted = False
    try:
        yield folder
    except WorkerkitError:
        wanted = True
        raise
    finally:
        if not wanted:
            shutil.rmtree(folder, ignore_errors=True)
