"""Runs are judged by what the flags or the project file demand, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..loadtest.run import Run, Runs
from ..loadtest.thresholds import known, threshold
from ..project import Project
from .telling import Telling


@dataclass(frozen=True, slots=True)
class Demands:
    """Thresholds as people write them, instead of the project file's; see `Runs.baseline`."""

    thresholds: Sequence[str] = ()
    baseline: str | None = None
    tolerance: float | None = None


class Judge:
    """For runs that will have *figures*; *usual* are the project file's thresholds.

    Raises:
        ConfigurationError: A threshold or the baseline cannot be meant.
    """

    def __init__(
        self, project: Project, demands: Demands, usual: Sequence[str], figures: Sequence[str],
        telling: Telling,
    ) -> None:  # fmt: skip
        self.telling = telling
        self.project = project
        self.texts = tuple(demands.thresholds or usual)
        self.thresholds = [threshold(text) for text in self.texts]
        known(self.thresholds, figures)
        self.baseline = Runs(project.data).baseline(demands.baseline) if demands.baseline else None
        self.tolerance = tolerated(project, demands.tolerance)

    def take(self, run: Run) -> Run:
        """*run* with its checks, kept and told."""
        judged = run.judged(self.thresholds, self.baseline, self.tolerance)
        return keep(self.project, judged, self.telling)


def keep(project: Project, run: Run, telling: Telling) -> Run:
    """*run*, which has its checks already, kept and told."""
    kept = store(project, run)
    telling.done(kept)
    return kept


def store(project: Project, run: Run) -> Run:
    """*run*, kept with the digest of the code that it measured."""
    return Runs(project.data).save(replace(run, code=project.code()))


def tolerated(project: Project, given: float | None) -> float:
    """*given*, else what the project file says."""
    return project.file.loadtest.tolerance if given is None else given
