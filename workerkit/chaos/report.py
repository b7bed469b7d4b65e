"""Verdicts as one HTML file: what was lost, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..core.chart import chart
from ..core.page import document, table
from .course import rates
from .journal import Played
from .verdict import Verdict

_CLASSES = {"pass": "ok", "fail": "fail", "not proven": "unknown"}


def page(played: Sequence[Played]) -> str:
    """A table of all scenarios, then each with its curves; the faults are bands in them."""
    rows = [
        (name, v.result, f"{v.confirmed:,}", f"{v.applied:,}", f"{v.dead:,}", str(v.lost),
         str(v.duplicated), _seconds(v.detection), _seconds(v.recovery))
        for name, v, _, _ in played
    ]  # fmt: skip
    titles = ("scenario", "verdict", "published", "applied", "dead", "lost", "done twice",
              "noticed in", "recovered in")  # fmt: skip
    parts = ["<h1>workerkit chaos</h1>", table(titles, rows)]
    parts += [_scenario(name, verdict) for name, verdict, _, _ in played]
    return document("workerkit chaos", parts)


def _scenario(name: str, verdict: Verdict) -> str:
    course = verdict.course
    reasons = "".join(f"<li>{escape(reason)}" for reason in verdict.reasons)
    parts = [
        f"<h2>{escape(name)}: <span class={_CLASSES[verdict.result]}>{verdict.result}</span></h2>",
        f"<ul>{reasons}</ul>" if reasons else "",
    ]
    if course:
        began = course[0].at
        bands = [(f.began - began, f.ended - began, f.name) for f in verdict.faults]
        lag = [(seen.at - began, float(seen.lag)) for seen in course]
        for title, line in (("settled a second", rates(course)), ("lag, events", lag)):
            parts.append(
                chart({title: line}, across=lambda x: f"{x:.0f} s", up=lambda y: f"{y:,.0f}",
                      label=title, bands=bands)
            )  # fmt: skip
    return "".join(parts)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
