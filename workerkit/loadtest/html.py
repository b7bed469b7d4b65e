"""A run as one HTML file that needs nothing else."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from html import escape

from ..core.chart import Points, chart
from ..core.page import document, table
from .events import LAG_EVERY
from .run import Run
from .units import shown

_MARKS = (1, 50, 90, 99, 99.9, 99.99)
"""Percents that are written at the percentile curve."""

_WORDS = {True: ("ok", "ok"), False: ("fail", "fail"), None: ("unknown", "not proven")}


def page(run: Run) -> str:
    """The whole document; every text of the run is escaped."""
    machine = run.machine
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.at))
    place = f"{machine.system}, {machine.cores} cores, {machine.python}, load {machine.load}"
    versions = ", ".join(f"{name} {found}" for name, found in machine.versions.items())
    parts = [
        f"<h1>{escape(run.id)}</h1><p>{escape(run.what)}</p>",
        f"<p class=fail>{escape(run.ended)}</p>" if run.ended else "",
        _verdicts(run),
        table(("figure", "value"), [(n, shown(n, v)) for n, v in run.figures.items()]),
        _differences(run),
        *(f"<h2>{escape(title)}</h2>{drawn}" for title, drawn in charts(run) if drawn),
        table(("what", "how often"), [(n, f"{count:,}") for n, count in run.counts.items()]),
        *(f"<p>{escape(note)}</p>" for note in run.notes),
        f"<p><small>{escape(f'{when}; {place}; {versions}')}</small></p>",
    ]
    return document(run.id, parts)


def charts(run: Run) -> list[tuple[str, str]]:
    """Every curve that the run has, as (title, SVG)."""
    latency = {
        name: [(float(n), value) for n, value in enumerate(run.series[name])]
        for name in ("p50", "p95", "p99")
        if name in run.series and "rate" not in run.series
    }
    lags = {"lag": [(n * LAG_EVERY, value) for n, value in enumerate(run.series.get("lag", ()))]}
    curve = {"latency": [(_nines(percent), value) for percent, value in run.curve]}
    cpu = {u.name: [(s.at, s.cpu) for s in u.samples] for u in run.usage}
    memory = {u.name: [(s.at, s.rss / 1e6) for s in u.samples] for u in run.usage}
    rates = {"p95": list(zip(run.series.get("rate", ()), run.series.get("p95", ()), strict=False))}
    by_rate = {name: sorted(line) for name, line in rates.items()}
    return [
        ("Latency over time", _over_time(latency, _milliseconds)),
        ("Latency by rate", chart(by_rate, across=lambda x: f"{x:.0f}/s", up=_milliseconds,
                                  label="latency by rate")),
        ("Latency by percentile", chart(curve, across=lambda x: f"{100 - 100 / 10**x:.6g} %",
                                        up=_milliseconds, label="percentile curve",
                                        marks=[_nines(p) for p in _MARKS])),
        ("Lag over time", _over_time(lags, lambda y: f"{y:,.0f}")),
        ("CPU", _over_time(cpu, lambda y: f"{y:.0%}")),
        ("Memory", _over_time(memory, lambda y: f"{y:.0f} MB")),
    ]  # fmt: skip


def _over_time(lines: Mapping[str, Points], up: Callable[[float], str]) -> str:
    return chart(lines, across=lambda x: f"{x:.0f} s", up=up, label="over time")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms"


def _nines(percent: float) -> float:
    """How many nines: 90 is 1, 99 is 2; the tail gets the room that it deserves."""
    return -math.log10(max(1e-4, 1 - percent / 100))


def _verdicts(run: Run) -> str:
    rows = "".join(
        f"<tr><td class={_WORDS[check.holds][0]}>{_WORDS[check.holds][1]}</td>"
        f"<td>{escape(check.text)}</td><td>{escape(check.seen)}</td></tr>"
        for check in run.checks
    )
    return f"<table><tr><th>verdict<th>must<th>was</tr>{rows}</table>" if rows else ""


def _differences(run: Run) -> str:
    rows = [
        (d.figure, shown(d.figure, d.inline), shown(d.figure, d.separated),
         f"{d.ratio:.2f} [{d.interval}]", d.verdict)
        for d in run.differences
    ]  # fmt: skip
    return table(("figure", "inline", "separated", "times", "separated is"), rows)
