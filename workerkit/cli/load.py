"""What the `workerkit loadtest` commands do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..config.project_file import RequestEntry
from ..errors import ConfigurationError
from ..loadtest.api import FIGURES, ApiTest, run_api
from ..loadtest.generator import Load
from ..loadtest.html import page
from ..loadtest.paths import offered
from ..loadtest.run import Run, Runs
from ..loadtest.target import Request, Target, request, resolve, woven
from ..loadtest.thresholds import Threshold, known, threshold
from ..loadtest.units import seconds
from ..project import Project
from ..trial import Stage, stage
from . import show, show_load
from .opened import interruptible, opened


@dataclass(frozen=True)
class Judging:
    """The flags that say what is well enough, and how to tell it."""

    thresholds: Sequence[str]
    baseline: str | None
    tolerance: float | None
    as_json: bool


@dataclass(frozen=True)
class Sending:
    """The flags that say what is sent where; durations as people write them."""

    rate: float
    duration: str
    warm_up: str
    timeout: str
    connections: int
    paths: Sequence[str]
    url: str | None
    allow_host: Sequence[str]
    own: bool

    def load(self) -> Load:
        """As the generator takes it."""
        return Load(
            self.rate, seconds(self.duration, "--duration"), seconds(self.warm_up, "--warm-up"),
            seconds(self.timeout, "--timeout"), self.connections,
        )  # fmt: skip


class Judge:
    """Judges runs, keeps them, shows them."""

    def __init__(
        self, project: Project, judging: Judging, usual: Sequence[str], figures: Sequence[str]
    ) -> None:
        self.runs = Runs(project.data)
        self.as_json = judging.as_json
        texts = judging.thresholds or usual
        self.thresholds: list[Threshold] = [threshold(text) for text in texts]
        known(self.thresholds, figures)
        self.baseline = self.runs.baseline(judging.baseline) if judging.baseline else None
        given = judging.tolerance
        self.tolerance = project.file.loadtest.tolerance if given is None else given

    def take(self, run: Run) -> Run:
        """*run* with its checks, kept, and shown unless JSON was asked for."""
        kept = self.runs.save(run.judged(self.thresholds, self.baseline, self.tolerance))
        if not self.as_json:
            show_load.run(kept)
        return kept

    def end(self, runs: Sequence[Run]) -> int:
        """Print JSON if asked for; the exit code of the worst."""
        if self.as_json:
            show.json({"runs": runs})
        return max((run.exit_code for run in runs), default=0)


def tell_all(found: Sequence[Run], as_json: bool) -> int:
    """Show *found*, which are judged and kept; the exit code of the worst."""
    if as_json:
        show.json({"runs": found})
    else:
        for each in found:
            show_load.run(each)
    return max((each.exit_code for each in found), default=0)


def api(service: str | None, sending: Sending, judging: Judging) -> int:
    """Load the API of *service*, or each one; return the exit code."""
    load = sending.load()
    with opened() as project, interruptible() as stop:
        judge = Judge(project, judging, project.file.loadtest.api, FIGURES)
        runs: list[Run] = []
        with _targets(project, service, sending, stop) as tests:
            for test in tests(load):
                with show_load.live(test.shown, load, quiet=judging.as_json) as tell:
                    run = run_api(test, stop=stop, tell=tell)
                runs.append(judge.take(run))
                if stop.is_set():
                    break
        return judge.end(runs)


@contextmanager
def _targets(
    project: Project, service: str | None, sending: Sending, stop: threading.Event
) -> Iterator[Callable[[Load], list[ApiTest]]]:
    """Yields what makes the tests: of a URL, of *service*, or of every API."""
    if sending.url:
        target = resolve(sending.url, sending.allow_host)
        name = service or target.host
        yield lambda load: [_test(project, name, target, sending.paths, load, None)]
        return
    wanted = service or project.around(Path.cwd())
    if wanted:
        project.check(wanted)
    with stage(project, own=sending.own, stop=stop) as found:
        yield lambda load: api_tests(found, wanted, sending.paths, load)


def api_tests(found: Stage, wanted: str | None, paths: Sequence[str], load: Load) -> list[ApiTest]:
    """The test of service *wanted*; without one, of each API that has something to ask.

    Raises:
        ConfigurationError: It has no API, or nothing is known to ask it.
    """
    if wanted:
        if wanted not in found.urls:
            there = ", ".join(sorted(found.urls)) or "none"
            raise ConfigurationError(
                f"service {wanted!r} has no API that runs; these have: {there}"
            )
        return [_test(found.project, wanted, resolve(found.urls[wanted]), paths, load, found)]
    tests: list[ApiTest] = []
    problems: list[str] = []
    for name, url in sorted(found.urls.items()):
        try:
            tests.append(_test(found.project, name, resolve(url), paths, load, found))
        except ConfigurationError as error:
            problems.append(f"{name} is left out: {error}")
    if not tests:
        raise ConfigurationError(problems[0] if problems else "no service has an API that runs")
    for problem in problems:
        show.warning(problem)
    return tests


def _test(
    project: Project, name: str, target: Target, paths: Sequence[str], load: Load,
    found: Stage | None,
) -> ApiTest:  # fmt: skip
    entries = [RequestEntry(path=path) for path in paths]
    entries = entries or list(project.file.loadtest.requests.get(name, ()))
    entries = entries or [RequestEntry(path=path) for path in offered(target)]
    made = [_request(target, entry) for entry in entries]
    order = woven([entry.weight for entry in entries])
    shown = ", ".join(f"{entry.method} {entry.path}" for entry in entries)
    processes = found.processes if found else dict
    return ApiTest(name, target, [made[n] for n in order], shown, load, processes)


def _request(target: Target, entry: RequestEntry) -> Request:
    body = b"" if entry.body is None else orjson.dumps(entry.body)
    return request(target, entry.path, method=entry.method, body=body)


def runs(as_json: bool) -> int:
    """List what is kept."""
    with opened() as project:
        found = Runs(project.data).all()
    if as_json:
        show.json({"runs": found})
    else:
        show_load.runs(found)
    return 0


def show_run(name: str, as_json: bool) -> int:
    """Show one run as it was shown when it was made."""
    with opened() as project:
        run = Runs(project.data).find(name)
    if as_json:
        show.json(run)
    else:
        show_load.run(run)
    return 0


def report(name: str, file: Path | None) -> int:
    """Write one run as an HTML file: *file*, or one named after the run in this folder."""
    with opened() as project:
        run = Runs(project.data).find(name)
    file = file or Path(f"{run.id}.html")
    try:
        file.write_text(page(run), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--out {file}: {error.strerror}") from None
    show.note(f"written: {file}")
    return 0


def diff(one: str, other: str, as_json: bool) -> int:
    """Show two runs beside each other."""
    with opened() as project:
        kept = Runs(project.data)
        first, second = kept.find(one), kept.find(other)
    if as_json:
        show.json({"before": first, "after": second})
    else:
        show_load.diff(first, second)
    return 0
