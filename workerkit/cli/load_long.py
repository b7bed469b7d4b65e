"""What `workerkit loadtest ramp` and `soak` do."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from ..errors import ConfigurationError
from ..loadtest.api import FIGURES, run_api
from ..loadtest.generator import INTERRUPTED, Load
from ..loadtest.ramp import highest, ramp
from ..loadtest.run import Run, Runs, new_id
from ..loadtest.soak import figures, grown
from ..loadtest.thresholds import Check, judge, known, threshold
from ..project import Project
from ..trial import stage
from . import show_load
from .load import Judging, api_tests, tell_all
from .load_both import Both, once, with_api
from .opened import interruptible, opened

KEPT_UP = 0.95
"""Part of the rate that must have been answered well for a rate to hold."""


def find_limit(
    service: str | None, paths: Sequence[str], load: Load, most: float, judging: Judging
) -> int:
    """Find the highest rate that holds the thresholds, from that of *load* on."""
    with opened() as project, interruptible() as stop:
        name = with_api(project, service)
        texts = judging.thresholds or project.file.loadtest.api
        thresholds = [threshold(text) for text in texts]
        known(thresholds, FIGURES)
        began, rates = time.time(), []
        with stage(project, own=True, stop=stop) as found:

            def attempt(rate: float) -> str | None:
                (test,) = api_tests(found, name, paths, replace(load, rate=rate))
                with show_load.live(f"{rate:.0f}/s", test.load, quiet=judging.as_json) as tell:
                    run = run_api(test, stop=stop, tell=tell)
                if stop.is_set():
                    return None
                rates.append(run.figures["p95"])
                return why_not(run, judge(thresholds, run.figures), rate)

            steps = ramp(attempt, load.rate, most, least=2 / load.duration)
        best = highest(steps)
        said = f"{best:.0f}/s holds" if best else "no rate holds"
        run = Run(
            id=new_id("ramp"), kind="ramp", at=began,
            what=f"{name}: the highest rate with {', '.join(texts)}, {load.duration:g} s each",
            figures={"highest_rate": best},
            checks=(Check("some rate holds", best > 0, said),),
            notes=tuple(f"{s.rate:.0f}/s {s.why or 'held'}" for s in steps),
            series={"rate": [s.rate for s in steps], "p95": rates},
            ended=INTERRUPTED if stop.is_set() else "",
        )  # fmt: skip
        return tell_all([Runs(project.data).save(run)], judging.as_json)


def why_not(run: Run, checks: Sequence[Check], rate: float) -> str:
    """What kept *run* from holding *rate*; empty when nothing did."""
    broken = [f"{check.text} was {check.seen}" for check in checks if not check.holds]
    limited = [note for note in run.notes if "was the limit" in note]
    if run.figures["rate"] < KEPT_UP * rate:
        broken.append(f"only {run.figures['rate']:.0f}/s were answered well")
    return "; ".join([*([run.ended] if run.ended else []), *limited, *broken])


def soak(service: str | None, both: Both, as_json: bool) -> int:
    """Load both for long, and say what grows."""
    load = both.load()
    with opened() as project, interruptible() as stop:
        run = soaked(project, with_api(project, service), both, load, stop, quiet=as_json)
        return tell_all([Runs(project.data).save(run)], as_json)


def soaked(
    project: Project, service: str, both: Both, load: Load, stop: threading.Event, *, quiet: bool
) -> Run:
    """One soak, judged.

    Raises:
        ConfigurationError: It ended before anything could be fitted.
    """
    began = time.time()
    with (
        stage(project, own=True, stop=stop) as found,
        show_load.live(f"{service} soak", load, quiet=quiet) as tell,
    ):
        api, events = once(found, service, both, load, stop, tell)
    if not api.usage:
        if stop.is_set():
            raise KeyboardInterrupt
        raise ConfigurationError("the soak was too short to see anything grow: use a longer --for")
    growths = grown(api, events)
    lost = Check("errors<0.1%", api.figures["errors"] < 0.001, f"{api.figures['errors']:.2%}")
    return replace(
        api,
        id=new_id("soak"), kind="soak", at=began,
        what=f"{service}: {load.rate:g} requests/s and {both.events_rate:g} events/s for "
        f"{load.duration:g} s",
        figures={**figures(growths), "p95": api.figures["p95"], "errors": api.figures["errors"]},
        series={**api.series, **(events.series if events else {})},
        checks=(*(each.check() for each in growths), lost),
    )  # fmt: skip
