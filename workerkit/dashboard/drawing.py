"""Small drawings as SVG. No style attributes: the policy allows none."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..core.chart import chart
from .html import Html, tag
from .model import Curve, JobLine, Story
from .words import TONES, duration, moment

_SPARK_WIDTH, _SPARK_HEIGHT = 96, 24


def sparkline(values: Sequence[float], label: str) -> Html:
    """A line without axes, the latest value at the right; empty without two values."""
    if len(values) < 2:
        return Html("")
    inner = spark_path(values, _SPARK_WIDTH, _SPARK_HEIGHT)
    return tag(
        "svg", inner, viewBox=f"0 0 {_SPARK_WIDTH} {_SPARK_HEIGHT}", class_="spark", role="img",
        aria_label=f"{label}, now {values[-1]:,.1f}", preserveAspectRatio="none",
    )  # fmt: skip


def spark_path(values: Sequence[float], width: float, height: float) -> Html:
    """The line itself, and the area below it."""
    top = max(*values, 1e-9)
    step = width / (len(values) - 1)
    points = [f"{n * step:.1f},{height - 1 - v / top * (height - 2):.1f}"
              for n, v in enumerate(values)]  # fmt: skip
    line = " ".join(points)
    return tag(
        "g", tag("polygon", points=f"0,{height} {line} {width},{height}", class_="area"),
        tag("polyline", points=line, class_="line"),
    )  # fmt: skip


def curve(of: Curve) -> Html:
    """A chart with its faults as bands, under its title."""
    drawn = chart(
        of.lines, across=lambda x: f"{x:.0f} s", up=lambda y: f"{y:,.4g}{of.unit}", label=of.title,
        bands=of.bands,
    )  # fmt: skip
    if not drawn:
        return Html("")
    return tag("figure", tag("figcaption", of.title), Html(drawn), class_="chart")


BEFORE, AFTER = 3600.0, 1800.0
"""Seconds that a job's time line shows on both sides of now."""

_LINE = 1000.0


def timeline(job: JobLine) -> Html:
    """Runs of the last hour as bars, ticks of the next half as rings."""
    now = time.time()

    def place(at: float) -> float:
        return (at - now + BEFORE) / (BEFORE + AFTER) * _LINE

    drawn = []
    for run in reversed(job.runs):
        end = run.ended or now
        if end < now - BEFORE:
            continue
        left = max(0.0, place(run.started or run.tick))
        words = f"{run.state}, {duration(max(0.0, end - run.started))}"
        drawn.append(
            tag("rect", tag("title", words), x=f"{left:.1f}", y=6, rx=2, height=20,
                width=f"{max(5.0, place(end) - left):.1f}",
                class_=f"run {TONES.get(run.state, 'idle')}")
        )  # fmt: skip
    soon = [at for at in job.next if at < now + AFTER]
    drawn += [tag("circle", cx=f"{place(at):.1f}", cy=16, r=5, class_="next") for at in soon]
    drawn.append(tag("line", x1=f"{place(now):.1f}", x2=f"{place(now):.1f}", y1=0, y2=32,
                     class_="now"))  # fmt: skip
    shown = sum(run.ended >= now - BEFORE for run in job.runs)
    label = f"{shown} runs in the last hour; now at two thirds"
    return tag("svg", drawn, viewBox="0 0 1000 32", class_="timeline", role="img",
               aria_label=label, preserveAspectRatio="none")  # fmt: skip


def waterfall(story: Story) -> Html:
    """Every step as a bar on a common time line."""
    if not story.steps:
        return Html("")
    first = min(step.began for step in story.steps)
    last = max(step.ended for step in story.steps)
    span = max(last - first, 1e-6)
    rows = []
    for step in story.steps:
        left = (step.began - first) / span * _LINE
        width = (step.ended - step.began) / span * _LINE
        bar = tag("rect", x=f"{min(left, _LINE - 6):.1f}", y=2, height=12, rx=2,
                  width=f"{max(6.0, width):.1f}", class_=f"run {step.tone}")  # fmt: skip
        took = step.ended - step.began
        when = f"+{duration(step.began - first)}" + (f", {duration(took)}" if took > 0 else "")
        title = tag("a", step.title, href=step.href) if step.href else step.title
        rows.append(
            tag(
                "li",
                tag("span", title, class_=f"title {step.tone}"),
                tag("svg", tag("rect", x=0, y=7, width=1000, height=2, class_="track"), bar,
                    viewBox="0 0 1000 16", preserveAspectRatio="none", aria_hidden="true"),
                tag("span", when, class_="when"),
                tag("span", step.words, class_="words") if step.words else None,
                tag("details", tag("summary", "Traceback"), tag("pre", step.detail),
                    data_key=f"detail {step.title}") if step.detail else None,
            )
        )  # fmt: skip
    caption = tag("p", "From ", moment(first), f" over {duration(last - first)}", class_="quiet")
    return tag("div", caption, tag("ol", rows, class_="waterfall"))
