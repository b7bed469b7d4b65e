"""What `workerkit chaos SCENARIO` does: a project of its own for each scenario, and a verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ..chaos.catalogue import SCENARIOS, Scenario
from ..chaos.journal import write_journal
from ..chaos.play import play
from ..chaos.scenarios import PLAYS
from ..chaos.verdict import Verdict
from ..errors import ConfigurationError
from . import show
from .chaos_place import Place, opened_place
from .signals import ended_in_order

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
            with opened_place(folder, scenario.mode, request.service) as place:
                problem = _unfit(place, scenario)
                if problem and len(request.scenarios) == 1:
                    raise ConfigurationError(problem)
                if problem or place.service is None:
                    if not request.as_json:
                        show.note(f"left out: {problem}")
                elif request.dry_run:
                    show.note(f"{scenario.name}: {scenario.words} On {place.service}")
                else:
                    played.append(_play(place, scenario, place.service, request))
                    if not request.as_json:
                        _tell(played[-1])
    if request.as_json:
        show.json(played)
    if request.keep and played:
        write_journal(request.keep, [(p.scenario, p.verdict, p.began, p.seconds) for p in played])
    return max((EXIT_CODES[one.verdict.result] for one in played), default=0)


def _unfit(place: Place, scenario: Scenario) -> str:
    """Why *scenario* cannot be played here; empty when it can."""
    if place.service is None:
        return f"{scenario.name}: no service here has {scenario.mode} workers"
    if scenario.server == "broker" and not place.redis:
        return f"{scenario.name} needs Redis: the embedded broker has no network to break"
    if scenario.server == "database" and not place.on_server:
        return f"{scenario.name} needs PostgreSQL: a SQLite file has no network to break"
    return ""


def _play(place: Place, scenario: Scenario, service: str, request: Request) -> Played:
    began = time.time()
    with place.stage(service, request.topic, request.rate, quick=request.quick) as stage:
        verdict = play(scenario, PLAYS[scenario.name], stage)
    return Played(scenario.name, service, verdict, began, time.time() - began)


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
