"""What `workerkit chaos SCENARIO` does: a project of its own for each scenario, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from ..chaos.journal import write_journal
from ..chaos.left import clean_up
from ..chaos.report import page
from ..chaos.verdict import Result
from ..errors import ConfigurationError
from ..trial.breaking import Drawn, Played, keep, play_at, scenario_of
from ..trial.place import LoadOf, opened_place
from . import show, show_chaos
from .signals import ended_in_order

EXIT_CODES: dict[Result, int] = {"fail": 5, "not proven": 6, "pass": 0}
"""By verdict, the worst first."""


@dataclass(frozen=True, slots=True)
class Request:
    """The flags; *drawn* for `random` alone, *containers* for `--target compose`."""

    scenarios: tuple[str, ...]
    service: str | None
    load: LoadOf
    keep: Path | None
    dry_run: bool
    as_json: bool
    drawn: Drawn | None = None
    containers: bool = False


def run(request: Request, folder: Path) -> int:
    """Play what is asked for; the worst verdict's exit code."""
    played: list[Played] = []
    tell_of(clean_up())
    with ended_in_order():
        for name in request.scenarios:
            one = _play(name, request, folder)
            if one is not None:
                played.append(one)
                if not request.as_json:
                    show_chaos.played(one)
    if request.as_json:
        show.json(played)
    if request.keep and played:
        results = [(p.scenario, p.verdict, p.began, p.seconds) for p in played]
        write_journal(request.keep, results, page(results))
    return worst({one.verdict.result for one in played})


def worst(results: Set[Result]) -> int:
    """The exit code of the worst of *results*; 0 when nothing was played."""
    return next((code for result, code in EXIT_CODES.items() if result in results), 0)


def tell_of(left: Sequence[Path]) -> None:
    """Say what was removed of a run that was killed."""
    if left:
        show.warning(f"removed what a killed chaos run had left: {', '.join(map(str, left))}")


def _play(name: str, request: Request, folder: Path) -> Played | None:
    """None when there was nothing to play: a dry run, or one of many that does not fit here."""
    scenario = scenario_of(name)
    with opened_place(
        folder, scenario.mode, request.service, containers=request.containers
    ) as place:
        problem = place.unfit(scenario)
        if problem and len(request.scenarios) == 1:
            raise ConfigurationError(problem)
        if problem or request.dry_run:
            if not request.as_json:
                where = " in containers" if place.images else ""
                does = f"{name}: {scenario.words} On {place.service}{where}"
                show.note(f"left out: {problem}" if problem else does)
            return None
        with show_chaos.live(name, quiet=request.as_json) as tell:
            played = play_at(place, scenario, request.load, tell, request.drawn)
        keep(place, played)
        return played
