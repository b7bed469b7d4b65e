"""Cron: every job on a time line, and one job's history."""

from __future__ import annotations

from collections.abc import Sequence

from ...cron.ledger import Run
from ..drawing import timeline
from ..html import Html, join, tag
from ..model import JobLine, Line
from ..visit import Page, Part, Visit
from ..words import ago, chip, duration, from_now, moment, plural
from .events import lines


def cron(visit: Visit) -> Page:
    """All jobs."""
    jobs = visit.looks.jobs()
    if not jobs:
        nothing = tag("p", "No service of this project has a job.", class_="quiet")
        return Page("Cron", (Part("jobs", nothing),))
    legend = tag("p", "An hour back, half an hour ahead. Bars are runs, rings are the next ticks.",
                 class_="quiet")  # fmt: skip
    return Page("Cron", (Part("jobs", join(legend, [_job(visit, job) for job in jobs])),))


def _job(visit: Visit, job: JobLine, *, alone: bool = False) -> Html:
    last = job.runs[0] if job.runs else None
    words = join(tag("code", job.schedule), f" {job.words}, {job.zone}")
    return tag(
        "article",
        None
        if alone
        else tag("h2", tag("a", job.name, href=f"/cron/{job.name}", data_key=job.name)),
        tag("p", words, class_="quiet"),
        timeline(job),
        tag("p", _next(job), " · ", _last(last), class_="times"),
        tag("div", _buttons(visit, job), class_="actions"),
        class_="card",
    )


def _next(job: JobLine) -> Html:
    if job.paused_by:
        return join(chip("paused"), f" by {job.paused_by}")
    if not job.next:
        return join("never runs again")
    return join("next ", moment(job.next[0]), f", {from_now(job.next[0])}")


def _last(run: Run | None) -> Html:
    if run is None:
        return join("has never run")
    if run.state == "running":
        return join(chip("running"), " since ", moment(run.started))
    return join("last ", chip(run.state), f" {ago(run.ended)}, took ",
                duration(max(0.0, run.ended - run.started)))  # fmt: skip


def _buttons(visit: Visit, job: JobLine) -> Html:
    turn = "resume" if job.paused_by else "pause"
    return join(
        visit.button("trigger", "Run now", about=job.name, job=job.name),
        visit.button(turn, turn.capitalize(), about=job.name, job=job.name),
    )


def job(visit: Visit) -> Page:
    """One job: when it ran and will run, and what came of it."""
    past = visit.looks.past(visit.path["job"])
    runs = [_run(run, past.lines.get(run.tick, ()), past.recorded) for run in past.job.runs]
    title = plural(len(runs), "latest run")
    history = join(tag("h2", title), tag("ol", runs, class_="runs")) if runs else Html("")
    return Page(
        past.job.name, (Part("jobs", _job(visit, past.job, alone=True)), Part("history", history))
    )


def _run(run: Run, said: Sequence[Line], recorded: bool) -> Html:
    end = run.ended or run.started
    facts = [duration(max(0.0, end - run.started))] if run.state != "skipped" else []
    facts += [plural(run.rows, "row")] if run.rows else []
    facts += ["by hand"] if run.trigger == "manual" else []
    detail = None
    if run.traceback or said:
        trace = tag("pre", run.traceback.rstrip(), tabindex="0") if run.traceback else None
        detail = tag("details", tag("summary", "Log" if not run.traceback else "Traceback and log"),
                     trace, lines(list(said)) if recorded else None, data_key=f"run {run.tick}")  # fmt: skip  # noqa: E501
    return tag(
        "li", moment(run.tick, day=True), chip(run.state), tag("span", ", ".join(facts)),
        tag("span", run.reason, class_="reason") if run.reason else None, detail,
    )  # fmt: skip
