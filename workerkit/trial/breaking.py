"""One scenario on a project, from its place to its verdict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import randrange

from ..chaos.catalogue import RANDOM, SCENARIOS, Scenario
from ..chaos.kept import Kept, Verdicts
from ..chaos.play import play
from ..chaos.scenarios import PLAYS, Play, random_faults
from ..chaos.verdict import Verdict
from ..core.loading import unknown
from ..errors import ConfigurationError
from .place import LoadOf, Place, Tell, opened_place


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario, its verdict, when it began in epoch seconds, and how many seconds it took."""

    scenario: str
    service: str
    verdict: Verdict
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """What `random` does: faults for so many *seconds*, drawn by *seed*."""

    seconds: float
    seed: int


def scenario_of(name: str) -> Scenario:
    """The scenario *name*.

    Raises:
        ConfigurationError: There is none of that name.
    """
    known = {one.name: one for one in (*SCENARIOS, RANDOM)}
    if name not in known:
        raise ConfigurationError(unknown("scenario", name, known))
    return known[name]


def play_at(
    place: Place, scenario: Scenario, load: LoadOf, tell: Tell, drawn: Drawn | None = None
) -> Played:
    """Play *scenario*, which fits *place*; *drawn* is for `random`.

    Raises:
        ConfigurationError: It does not fit, and why.
        StartStopError: The project's processes do not start.
    """
    problem = place.unfit(scenario)
    if problem or place.service is None:
        raise ConfigurationError(problem)
    began = time.time()
    with place.stage(place.service, load, tell) as stage:
        verdict = play(scenario, _act(place, scenario, drawn), stage)
    return Played(scenario.name, place.service, verdict, began, time.time() - began)


def keep(place: Place, played: Played) -> None:
    """Have the project remember the verdict, in place of the scenario's last one.

    Raises:
        Unreachable: It cannot be written.
    """
    code = place.project.code()
    kept = Kept(played.scenario, played.service, played.began, played.seconds, code, played.verdict)
    Verdicts(place.home).save(kept)


def _act(place: Place, scenario: Scenario, drawn: Drawn | None) -> Play:
    if scenario != RANDOM:
        return PLAYS[scenario.name]
    chosen = drawn or Drawn(60.0, randrange(2**32))
    unfit = [PLAYS[one.name] for one in SCENARIOS if place.unfit(one)]
    return random_faults(chosen.seconds, chosen.seed, unfit)


def break_it(
    name: str, folder: Path, service: str | None = None, load: LoadOf | None = None
) -> Verdict:
    """Play scenario *name* on the project in *folder*, on *service* or the first that can."""
    scenario = scenario_of(name)
    with opened_place(folder, scenario.mode, service) as place:
        return play_at(place, scenario, load or LoadOf(quick=True), lambda seen: None).verdict
