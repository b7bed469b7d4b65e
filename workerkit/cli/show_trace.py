"""Renders a trace as a waterfall."""

from __future__ import annotations

from ..trail import Step, Trail
from . import show

WIDTH = 40
"""Characters of the time line."""


def trace(found: Trail) -> None:
    """One line a step: when it was done, how long that took, its place on the time line."""
    for text in found.warnings:
        show.warning(text)
    show.note(f"trace {found.trace_id}: {show.count(len(found.steps), 'step')}, "
              f"{_milliseconds(found.seconds)} from {show.clock(found.began)}")  # fmt: skip
    columns = (
        show.Column("step", cut=True), show.Column("outcome", word=True),
        show.Column("at", number=True), show.Column("took", number=True), show.Column(""),
    )  # fmt: skip
    show.table(columns, [_row(found, step) for step in found.steps])
    for step in found.steps:
        if step.error:
            show.note(f"{step.name}: {step.error}")
    if any(step.what == "publish" and step.began is None for step in found.steps):
        show.note("without a time: settled by every group, so the topic has forgotten it")


def _row(found: Trail, step: Step) -> tuple[str, ...]:
    at = "-" if step.ended is None else _milliseconds(step.ended - found.began)
    took = "-"
    if step.began is not None and step.ended is not None and step.began != step.ended:
        took = _milliseconds(step.ended - step.began)
    tries = f" (attempt {step.attempts})" if step.attempts > 1 else ""
    return (_name(step), f"{step.outcome or '-'}{tries}", at, took, _bar(found, step))


def _name(step: Step) -> str:
    indent = "  " * step.depth
    if step.what == "publish":
        return f"{indent}{step.name} {step.id}"
    return f"{indent}{step.what} {step.name}" + (f" {step.id}" if step.what == "run" else "")


def _bar(found: Trail, step: Step) -> str:
    """From its beginning to its end; a moment is one mark."""
    known = [moment for moment in (step.began, step.ended) if moment is not None]
    if not known:
        return ""
    scale = (WIDTH - 1) / found.seconds if found.seconds else 0.0
    first, last = sorted(round((moment - found.began) * scale) for moment in (known[0], known[-1]))
    mark = "\N{BLACK DIAMOND}" if first == last else "\N{FULL BLOCK}"
    return " " * first + mark * max(1, last - first)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else show.duration(seconds)
