"""What `workerkit evaluate` does."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..loadtest.evaluation import Evaluation, Volume, decide, nothing_to_separate
from ..loadtest.run import Runs
from ..project import Project
from ..trial import running
from . import show
from .load_both import Both, comparison
from .opened import interruptible, opened

ASSUMED = 100.0
"""Events a second when nothing runs from which they could be known."""


@dataclass(frozen=True, slots=True)
class Request:
    """The flags."""

    service: str
    rate: float
    events_rate: float | None
    rounds: int
    duration: str
    paths: Sequence[str]
    tolerance: float | None
    as_json: bool


def run(request: Request) -> int:
    """Measure, decide, write the document, show it."""
    with opened() as project, interruptible() as stop:
        found = evaluation(project, request, stop)
        file = project.folder / "docs" / "evaluations" / f"{found.service}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found.markdown(), encoding="utf-8")
    if request.as_json:
        show.json({"answer": found.answer, "file": str(file), "evaluation": found})
        return 0
    show.note(f"{found.service}: separate its workers? {found.answer}")
    show.note(found.reason)
    show.pairs(found.figures)
    show.note(f"rule: {found.rule}")
    show.note(f"written to {file.relative_to(project.folder)}")
    return 0


def evaluation(project: Project, request: Request, stop: threading.Event) -> Evaluation:
    """The answer for one service; measured unless there is nothing to separate."""
    modes = project.modes(project.check(request.service))
    tolerance = request.tolerance
    tolerance = project.file.loadtest.tolerance if tolerance is None else tolerance
    if "api" not in modes or "events" not in modes:
        return nothing_to_separate(request.service, modes, tolerance)
    volume = volume_of(project, request)
    both = Both(request.rate, max(1.0, volume.rate), request.duration, "1s", request.paths, None)
    measured = comparison(project, request.service, both, both.load(), request.rounds, tolerance,
                          stop, quiet=request.as_json)  # fmt: skip
    kept = Runs(project.data).save(measured)
    each = measured.figures["separated_handling"]
    return decide(request.service, volume, each, measured.differences, tolerance, kept.id)


def volume_of(project: Project, request: Request) -> Volume:
    """As asked for, as the running workers have counted it since they started, or assumed."""
    if request.events_rate is not None:
        return Volume(request.events_rate, "as --events-rate says")
    counted, longest = 0, 0.0
    for process in running(project):
        if process.service == request.service and process.workers and process.started_at:
            counted += sum(worker.processed for worker in process.workers)
            started = datetime.fromisoformat(process.started_at).timestamp()
            longest = max(longest, time.time() - started)
    if counted:
        return Volume(counted / longest, f"{counted} events in {show.duration(longest)}")
    return Volume(ASSUMED, "assumed: no running worker has counted any")
