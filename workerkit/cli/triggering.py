"""What `workerkit cron trigger` does and shows."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from ..cron.runner import moment
from ..observability.logs import set_up
from ..operate.jobs import find_job, read_moment
from ..trigger import Triggered, trigger
from . import show
from .opened import opened


@dataclass(frozen=True, slots=True)
class Request:
    """The flags."""

    name: str
    at: str | None
    wait: bool
    as_json: bool


def run(request: Request) -> int:
    """Run the job; 5 when it ended otherwise than well."""
    with opened() as project:
        entry = find_job(project.jobs(), request.name)
        tick = read_moment(request.at, entry, "--at").timestamp() if request.at else None
        set_up("text", project.file.name)
        done = trigger(project, entry, tick, wait=request.wait, line=_say)
    if request.as_json:
        show.json(done)
    else:
        show.note(_in_words(done))
    if done.run.traceback:
        _say(done.run.traceback.rstrip())
    return 0 if done.run.state in ("running", "succeeded") else 5


def _in_words(done: Triggered) -> str:
    run = done.run
    if run.state == "running":
        return f"{run.job} was started for {moment(run.tick)} in {done.where}"
    took = show.duration(run.ended - run.started)
    rows = f", {show.count(run.rows, 'row')}" if run.rows else ""
    reason = f": {run.reason}" if run.reason else ""
    return f"{run.job} {run.state} in {took}{rows} in {done.where}{reason}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
