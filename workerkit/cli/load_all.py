"""What `workerkit loadtest` does without a command: all of it, and one table of verdicts."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from ..errors import ConfigurationError
from ..loadtest.api import FIGURES, run_api
from ..loadtest.events import FIGURES as EVENT_FIGURES
from ..loadtest.generator import Load
from ..loadtest.run import Run, Runs
from ..project import Project
from ..trial import stage
from . import show, show_load
from .load import Judge, Judging, api_tests
from .load_both import Both, comparison, with_api
from .load_events import Publishing, event_test, measure, topics
from .load_long import soaked
from .opened import interruptible, opened

RATE, EVENTS = 1000.0, 1000
"""The checklist's requests/s and number of events."""

BESIDE = 200.0, 100.0
"""Requests/s and events/s where both are loaded at once."""


def everything(full: bool, as_json: bool) -> int:
    """API, events, comparison and soak: a minute each, or as long as the checklist asks."""
    length = 300.0 if full else 60.0
    with opened() as project, interruptible() as stop:
        runs: list[Run] = []
        for part in (_api, _events, _compare, _soak):
            try:
                runs.extend(part(project, length, stop, as_json))
            except ConfigurationError as error:
                show.warning(f"left out: {error}")
            if stop.is_set():
                break
    if as_json:
        show.json({"runs": runs})
    else:
        show.note("")
        show_load.checks(runs)
    return max((run.exit_code for run in runs), default=2)


def _api(project: Project, length: float, stop: threading.Event, quiet: bool) -> Iterator[Run]:
    judge = Judge(project, Judging((), None, None, quiet), project.file.loadtest.api, FIGURES)
    with stage(project, own=True, stop=stop) as found:
        for test in api_tests(found, None, (), Load(RATE, length)):
            with show_load.live(test.shown, test.load, quiet=quiet) as tell:
                yield judge.take(run_api(test, stop=stop, tell=tell))
            if stop.is_set():
                return


def _events(project: Project, length: float, stop: threading.Event, quiet: bool) -> Iterator[Run]:
    usual = project.file.loadtest.events
    judge = Judge(project, Judging((), None, None, quiet), usual, EVENT_FIGURES)
    with stage(project, own=True, stop=stop) as found:
        for topic in topics(found):
            test = event_test(found, topic, Publishing(EVENTS, None, None, True))
            yield judge.take(measure(test, stop))
            if stop.is_set():
                return


def _compare(project: Project, length: float, stop: threading.Event, quiet: bool) -> Iterator[Run]:
    service, both = _both(project, length / 5)
    run = comparison(project, service, both, both.load(), 5, project.file.loadtest.tolerance,
                     stop, quiet=quiet)  # fmt: skip
    yield _kept(project, run, quiet)


def _soak(project: Project, length: float, stop: threading.Event, quiet: bool) -> Iterator[Run]:
    service, both = _both(project, length)
    run = soaked(project, service, both, both.load(), stop, quiet=quiet)
    yield _kept(project, run, quiet)


def _both(project: Project, length: float) -> tuple[str, Both]:
    return with_api(project, None), Both(*BESIDE, f"{length}", "2s", (), None)


def _kept(project: Project, run: Run, quiet: bool) -> Run:
    kept = Runs(project.data).save(run)
    if not quiet:
        show_load.run(kept)
    return kept
