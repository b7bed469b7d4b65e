"""Whether a service's workers should be separated: measured, decided, written down."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..core.put import put
from ..loadtest.evaluation import Evaluation, Volume, decide, nothing_to_separate
from ..loadtest.generator import Load
from ..project import Project
from .judge import store
from .layouts import Both, comparison
from .stage import running
from .telling import Telling

ASSUMED = 100.0
"""Events a second when nothing runs from which they could be known."""


def evaluate(
    project: Project, telling: Telling, service: str, load: Load, volume: Volume,
    paths: Sequence[str], rounds: int, tolerance: float,
) -> Evaluation:  # fmt: skip
    """The answer for one service; measured unless there is nothing to separate.

    Raises:
        ConfigurationError: No such service, or its API gave up under *load*.
        KeyboardInterrupt: Interrupted; an answer from fewer rounds would look like a whole one.
    """
    modes = project.modes(project.check(service))
    if "api" not in modes or len(modes) == 1:
        return nothing_to_separate(service, modes, tolerance)
    if "events" not in modes:
        volume = Volume(0.0, "it has jobs alone; those that were due meanwhile ran")
    # Below one a second there would be too few to tell how long a handler takes.
    both = Both(load, max(1.0, volume.rate) if volume.rate else 0.0, paths)
    measured = comparison(project, telling, service, both, rounds, tolerance)
    kept = store(project, measured)
    if measured.ended:
        raise KeyboardInterrupt
    each = measured.figures["separated_handling"]
    return decide(service, volume, each, measured.differences, tolerance, kept.id)


def write(project: Project, found: Evaluation) -> Path:
    """Put *found* into the project's docs/evaluations; return the file.

    Raises:
        Unreachable: It cannot be written.
    """
    file = project.folder / "docs" / "evaluations" / f"{found.service}.md"
    return put(file, found.markdown())


def volume_of(project: Project, service: str) -> Volume:
    """As the running workers of *service* have counted it since they started, or assumed."""
    counted, longest = 0, 0.0
    for process in running(project):
        if process.service == service and process.workers and process.started_at:
            counted += sum(worker.processed for worker in process.workers)
            started = datetime.fromisoformat(process.started_at).timestamp()
            longest = max(longest, time.time() - started)
    if counted:
        return Volume(counted / longest, f"{counted} events in {longest:.0f} s")
    return Volume(ASSUMED, "assumed: no running worker has counted any")
