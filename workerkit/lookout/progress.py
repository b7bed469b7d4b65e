"""The checklist, looked at beside the page: its probes may take seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from ..dashboard.model import Milestone, Progress, Todo
from ..errors import WorkerkitError
from ..operate.checklist import Checklist

log = logging.getLogger("workerkit.progress")

FRESH = 30.0
"""Seconds after which it is looked at again, if somebody asks."""


class Examiner:
    """Remembers what *examine* found, and has it look again when that is no longer fresh."""

    def __init__(self, examine: Callable[[], Checklist]) -> None:
        self._examine = examine
        self._lock = threading.Lock()
        self._found = Progress(0.0, (), False)
        self._failed: WorkerkitError | None = None

    def progress(self) -> Progress:
        """What is known now.

        Raises:
            WorkerkitError: The last look failed; the next question looks again.
        """
        with self._lock:
            failed, self._failed = self._failed, None
            if failed is not None:
                raise failed
            if not self._found.looking and time.time() - self._found.at > FRESH:
                self._found = replace(self._found, looking=True)
                threading.Thread(target=self._look, name="checklist", daemon=True).start()
            return self._found

    def _look(self) -> None:
        found, failed = self._found, None
        try:
            found = _shown(self._examine())
        except WorkerkitError as error:
            failed = error
        except Exception:  # probes run the project's own code
            log.exception("the checklist failed")
            failed = WorkerkitError("the checklist failed; the dashboard's log has the traceback")
        with self._lock:
            self._found, self._failed = replace(found, looking=False), failed


def _shown(found: Checklist) -> Progress:
    milestones = tuple(
        Milestone(
            day.title,
            tuple(Todo(i.id, i.title, i.state, i.fact, i.way_out) for i in day.items),
        )
        for day in found.days
    )
    return Progress(found.at, milestones, looking=False)
