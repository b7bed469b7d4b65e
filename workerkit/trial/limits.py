"""How much a project can take, and for how long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from ..errors import ConfigurationError
from ..loadtest.api import FIGURES, run_api
from ..loadtest.generator import INTERRUPTED, Load
from ..loadtest.machine import this_machine
from ..loadtest.ramp import highest, ramp
from ..loadtest.run import Run, new_id
from ..loadtest.soak import SLOPES, figures, grown
from ..loadtest.thresholds import Check, judge, known, threshold
from ..project import Project
from .apis import api_test
from .judge import Demands, Judge, keep
from .layouts import Both, once, with_api
from .stage import stage
from .telling import Telling

KEPT_UP = 0.95
"""Part of the rate that must have been answered well for a rate to hold."""


def find_limit(
    project: Project, telling: Telling, service: str | None, paths: Sequence[str], load: Load,
    most: float, demands: Demands,
) -> list[Run]:  # fmt: skip
    """The highest rate up to *most*, from that of *load* on, at which *demands* hold."""
    service = with_api(project, service)
    judging = Judge(project, demands, project.file.loadtest.api, FIGURES, telling)
    began, machine, p95 = time.time(), this_machine(), []
    with stage(project, own=True, stop=telling.stop) as found:

        def attempt(rate: float) -> str | None:
            test = api_test(found, service, paths, replace(load, rate=rate))
            with telling.live(f"{rate:.0f}/s", test.load) as tell:
                run = run_api(test, stop=telling.stop, tell=tell)
            if telling.stop.is_set():
                return None
            p95.append(run.figures["p95"])
            return why_not(run, judge(judging.thresholds, run.figures), rate)

        steps = ramp(attempt, load.rate, most, least=2 / load.duration)
    best = highest(steps)
    said = f"{best:.0f}/s holds" if best else "no rate holds"
    run = Run(
        id=new_id("ramp"), kind="ramp", subject=service, at=began, machine=machine,
        what=f"{service}: the highest rate with {', '.join(judging.texts)}, "
        f"{load.duration:g} s each",
        figures={"highest_rate": best},
        checks=(Check("some rate holds", best > 0, said),),
        notes=tuple(f"{step.rate:.0f}/s {step.why or 'held'}" for step in steps),
        series={"rate": [step.rate for step in steps], "p95": p95},
        ended=INTERRUPTED if telling.stop.is_set() else "",
    )  # fmt: skip
    return [keep(project, run, telling)]


def why_not(run: Run, checks: Sequence[Check], rate: float) -> str:
    """What kept *run* from holding *rate*; empty when nothing did."""
    broken = [f"{check.text} was {check.seen}" for check in checks if not check.holds]
    limited = [note for note in run.notes if "was the limit" in note]
    if run.figures["rate"] < KEPT_UP * rate:
        broken.append(f"only {run.figures['rate']:.0f}/s were answered well")
    return "; ".join([*([run.ended] if run.ended else []), *limited, *broken])


def soak(
    project: Project, telling: Telling, service: str | None, both: Both,
    thresholds: Sequence[str],
) -> list[Run]:  # fmt: skip
    """One long run of both, judged by what grows, and by *thresholds*.

    Raises:
        ConfigurationError: It ended before anything could be fitted.
        KeyboardInterrupt: It was interrupted before that.
    """
    service = with_api(project, service)
    demanded = [threshold(text) for text in thresholds]
    known(demanded, (*SLOPES, *FIGURES))
    began, machine = time.time(), this_machine()
    with (
        stage(project, own=True, stop=telling.stop) as found,
        telling.live(f"{service} soak", both.load) as tell,
    ):
        api, events = once(found, service, both, telling, tell)
    if not api.usage:
        if telling.stop.is_set():
            raise KeyboardInterrupt
        raise ConfigurationError("the soak was too short to see anything grow: use a longer --for")
    growths = grown(api, events)
    lost = Check("errors<0.1%", api.figures["errors"] < 0.001, f"{api.figures['errors']:.2%}")
    all_figures = {**figures(growths), **api.figures}
    run = replace(
        api,
        id=new_id("soak"), kind="soak", subject=service, at=began, machine=machine,
        what=f"{service}: {both.shown} for {both.load.duration:g} s",
        figures=all_figures,
        series={**api.series, **(events.series if events else {})},
        checks=(*(each.check() for each in growths), lost, *judge(demanded, all_figures)),
    )  # fmt: skip
    return [keep(project, run, telling)]
