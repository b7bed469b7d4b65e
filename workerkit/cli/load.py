"""Between the flags of `workerkit loadtest` and what does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec

import typer

from ..errors import ConfigurationError
from ..loadtest.generator import Load
from ..loadtest.html import page
from ..loadtest.run import Run, Runs, worst
from ..loadtest.units import seconds
from ..project import Project
from ..trial.telling import Telling
from . import show, show_load
from .opened import opened, read_json
from .signals import interruptible

P = ParamSpec("P")


def measure(
    as_json: bool, work: Callable[Concatenate[Project, Telling, P], Sequence[Run]],
    *arguments: P.args, **named: P.kwargs,
) -> NoReturn:  # fmt: skip
    """Do *work* on the project here, and end with the exit code of its worst run."""
    with opened() as project, interruptible() as stop:
        runs = work(project, show_load.Screen(stop, quiet=as_json), *arguments, **named)
    if as_json:
        show.json({"runs": runs})
    elif len(runs) > 1:
        show.note("")
        show_load.checks(runs)
    raise typer.Exit(worst(runs))


def load(
    rate: float, duration: str, warm_up: str, timeout: str = "5s", connections: int = 100
) -> Load:
    """The generator's load; durations as people write them."""
    return Load(
        rate, seconds(duration, "--duration"), seconds(warm_up, "--warm-up"),
        seconds(timeout, "--timeout"), connections,
    )  # fmt: skip


def payloads(data: str | None) -> list[Any]:
    """Those of a --data option, one for each member of a list; none without it.

    Raises:
        ConfigurationError: No JSON, or an empty list.
    """
    found = [] if data is None else read_json(data)
    if found == [] and data is not None:
        raise ConfigurationError("--data is an empty list: give at least one payload")
    return found if isinstance(found, list) else [found]


def runs(as_json: bool) -> None:
    """List what is kept."""
    with opened() as project:
        found = Runs(project.data).all()
    if as_json:
        show.json({"runs": found})
    else:
        show_load.runs(found)


def show_run(name: str, as_json: bool) -> None:
    """Show one run as it was shown when it was made."""
    with opened() as project:
        run = Runs(project.data).find(name)
    if as_json:
        show.json(run)
    else:
        show_load.run(run)


def diff(one: str, other: str, as_json: bool) -> None:
    """Show two runs beside each other."""
    with opened() as project:
        kept = Runs(project.data)
        first, second = kept.find(one), kept.find(other)
    if as_json:
        show.json({"before": first, "after": second})
    else:
        show_load.diff(first, second)


def report(name: str, file: Path | None) -> None:
    """Write one run as an HTML file: *file*, or one named after the run in this folder."""
    with opened() as project:
        run = Runs(project.data).find(name)
    file = file or Path(f"{run.id}.html")
    try:
        file.write_text(page(run), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--out {file}: {error.strerror}") from None
    show.note(f"written: {file}")
