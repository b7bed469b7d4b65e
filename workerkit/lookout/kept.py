"""Trials that are over, as they were kept, and the curves of those that run."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from ..chaos.course import Seen, rates
from ..chaos.kept import FOLDER as CHAOS
from ..chaos.kept import Verdicts
from ..dashboard.model import Curve, Trial
from ..dashboard.words import duration
from ..errors import ConfigurationError
from ..loadtest.events import LAG_EVERY
from ..loadtest.measured import Second
from ..loadtest.run import FOLDER as RUNS
from ..loadtest.run import Run, read
from ..loadtest.units import shown

MOST = 50
"""Runs that are listed."""

CALM = ("", "steady state", "drain")
"""Phases of a scenario in which nothing is broken."""

Band = tuple[float, float, str]


def past(data: Path) -> list[Trial]:
    """Kept scenarios and load tests, newest first; what cannot be read is left out."""
    found = [trial for path in _latest(data / CHAOS, "*/journal.json") for trial in _journal(path)]
    began = {round(trial.at, 3) for trial in found}
    # What the command line played is kept without its course, and what we played a second time.
    others = [kept for kept in Verdicts(data).all().values() if round(kept.at, 3) not in began]
    found += [_trial(k.scenario, k.scenario, k.at, k.seconds, asdict(k.verdict)) for k in others]
    for path in _latest(data / RUNS, "*.json"):
        try:
            found.append(load_trial(read(path)))
        except ConfigurationError:
            continue
    return sorted(found, key=lambda trial: -trial.at)[:MOST]


def _latest(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern), reverse=True)[:MOST]


def _journal(path: Path) -> list[Trial]:
    """The scenario that `chaos.journal` wrote to *path*; none when it is none of ours."""
    try:
        (activity,) = orjson.loads(path.read_bytes())["run"]
        began = datetime.fromisoformat(activity["start"]).timestamp()
        name, seconds = activity["activity"]["name"], activity["duration"]
        return [_trial(path.parent.name, name, began, seconds, activity["output"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _trial(id: str, name: str, at: float, seconds: float, verdict: Mapping[str, Any]) -> Trial:
    figures = [("published", f"{verdict['confirmed']:,}"), ("applied", f"{verdict['applied']:,}"),
               ("dead", f"{verdict['dead']:,}"), ("lost", f"{verdict['lost']:,}"),
               ("done twice", f"{verdict['duplicated']:,}"),
               ("hit in progress", f"{verdict['hit']:,}")]  # fmt: skip
    times = (("noticed in", "detection"), ("recovered in", "recovery"), ("API p95", "api_p95"))
    figures += [(n, duration(verdict[key])) for n, key in times if verdict[key] is not None]
    if verdict["api_asked"]:
        figures.append(("API errors", f"{verdict['api_errors']:,} of {verdict['api_asked']:,}"))
    course = [Seen(**each) for each in verdict["course"]]
    faults = [(fault["began"], fault["ended"], fault["name"]) for fault in verdict["faults"]]
    return Trial(
        id=id,
        kind="chaos",
        title=name,
        at=at,
        seconds=seconds,
        result=verdict["result"],
        reasons=tuple(verdict["reasons"]),
        figures=tuple(figures),
        curves=course_curves(course, faults),
    )


def load_trial(run: Run) -> Trial:
    """A stored load test."""
    result = {0: "pass", 5: "fail"}.get(run.exit_code, "not proven")
    figures = tuple((name.replace("_", " "), shown(name, value))
                    for name, value in run.figures.items())  # fmt: skip
    checks = [f"{c.text}: was {c.seen}, {'holds' if c.holds else 'does not hold'}"
              for c in run.checks]  # fmt: skip
    reasons = (*checks, *run.notes, *([run.ended] if run.ended else ()))
    latency = {
        name: [(float(n), value * 1000) for n, value in enumerate(run.series[name])]
        for name in ("p50", "p95", "p99")
        if name in run.series and "rate" not in run.series
    }
    lag = [(n * LAG_EVERY, value) for n, value in enumerate(run.series.get("lag", ()))]
    curves = [Curve("Latency", " ms", latency), Curve("Waiting events", "", {"waiting": lag})]
    return Trial(run.id, "load", run.what, run.at, 0.0, result, "", reasons, figures,
                 tuple(c for c in curves if any(c.lines.values())))  # fmt: skip


def course_curves(course: Sequence[Seen], faults: Sequence[Band] = ()) -> tuple[Curve, ...]:
    """Rate, lag and latency of a scenario; without *faults* its phases tell when it was broken."""
    if len(course) < 2:
        return ()
    began = course[0].at
    bands = [(a - began, b - began, name) for a, b, name in faults or _phases(course)]
    lag = [(seen.at - began, float(seen.lag)) for seen in course]
    return (
        Curve("Settled a second", "/s", {"settled": rates(course)}, bands),
        Curve("Waiting events", "", {"waiting": lag}, bands),
        Curve("Latency, from publication to commit", " s", {"latency": latencies(course)}, bands),
    )


def latencies(course: Sequence[Seen]) -> list[tuple[float, float]]:
    """How long ago the event that is settled now was published, if they come in order.

    The horizontal distance between the curves of all published and all settled events.
    """
    published = [seen.published for seen in course]
    found = []
    for seen in course:
        when = course[min(bisect_left(published, seen.settled), len(course) - 1)].at
        found.append((seen.at - course[0].at, max(0.0, seen.at - when)))
    return found


def second_curves(seconds: Sequence[Second]) -> tuple[Curve, ...]:
    """Latency and rate of a load test that runs."""
    if len(seconds) < 2:
        return ()
    times = {
        "p50": [(float(one.at), one.p50 * 1000) for one in seconds],
        "p95": [(float(one.at), one.p95 * 1000) for one in seconds],
    }
    answered = [(float(one.at), float(one.answered)) for one in seconds]
    return Curve("Latency", " ms", times), Curve("Answers", "/s", {"answers": answered})


def _phases(course: Sequence[Seen]) -> list[Band]:
    """Each stretch of one phase that is not calm."""
    found: list[Band] = []
    for before, seen in pairwise(course):
        if seen.phase in CALM:
            continue
        if found and found[-1][1] == before.at and found[-1][2] == seen.phase:
            found[-1] = (found[-1][0], seen.at, seen.phase)
        else:
            found.append((before.at, seen.at, seen.phase))
    return found
