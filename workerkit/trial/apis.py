"""APIs of a project, or of a URL, under load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..config.project_file import RequestEntry
from ..errors import ConfigurationError
from ..loadtest.api import FIGURES, ApiTest, run_api
from ..loadtest.generator import Load
from ..loadtest.paths import offered
from ..loadtest.run import Run
from ..loadtest.target import Request, Target, request, resolve, woven
from ..project import Project
from .judge import Demands, Judge
from .stage import Stage, stage
from .telling import Telling


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked what. `url` is a server instead of the project's, `own` a copy in any case."""

    service: str | None = None
    paths: Sequence[str] = ()
    url: str | None = None
    allowed: Sequence[str] = ()
    own: bool = False


def load_apis(
    project: Project, telling: Telling, asked: Asked, load: Load, demands: Demands
) -> list[Run]:
    """One run after the other, judged and kept.

    Raises:
        ConfigurationError: Nobody to ask, or nothing to ask them.
        Unreachable: An API took no connection.
    """
    judge = Judge(project, demands, project.file.loadtest.api, FIGURES, telling)
    runs: list[Run] = []
    with _tests(project, asked, load, telling) as tests:
        for test in tests:
            with telling.live(test.shown, load) as tell:
                run = run_api(test, stop=telling.stop, tell=tell)
            runs.append(judge.take(run))
            if telling.stop.is_set():
                break
    return runs


def api_test(found: Stage, service: str, paths: Sequence[str], load: Load) -> ApiTest:
    """The test of the API of *service*.

    Raises:
        ConfigurationError: It has none that runs, or nothing is known to ask it.
    """
    if service not in found.urls:
        there = ", ".join(sorted(found.urls)) or "none"
        raise ConfigurationError(f"service {service!r} has no API that runs; these have: {there}")
    return _test(found.project, service, resolve(found.urls[service]), paths, load, found)


@contextmanager
def _tests(project: Project, asked: Asked, load: Load, telling: Telling) -> Iterator[list[ApiTest]]:
    """The tests of a URL, of one service, or of every API; they can be run within the block."""
    if asked.url:
        target = resolve(asked.url, asked.allowed)
        yield [_test(project, asked.service or target.host, target, asked.paths, load, None)]
        return
    wanted = asked.service or project.around(Path.cwd())
    if wanted:
        project.check(wanted)
    with stage(project, own=asked.own, stop=telling.stop) as found:
        if wanted:
            yield [api_test(found, wanted, asked.paths, load)]
        else:
            yield _each(found, asked.paths, load, telling)


def _each(found: Stage, paths: Sequence[str], load: Load, telling: Telling) -> list[ApiTest]:
    """The test of each API that has something to ask."""
    tests: list[ApiTest] = []
    problems: list[str] = []
    for name in sorted(found.urls):
        try:
            tests.append(api_test(found, name, paths, load))
        except ConfigurationError as error:
            problems.append(f"{name} is left out: {error}")
    if not tests:
        raise ConfigurationError(problems[0] if problems else "no service has an API that runs")
    for problem in problems:
        telling.warn(problem)
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
