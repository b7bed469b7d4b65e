"""`workerkit evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from ..loadtest.evaluation import Evaluation


def evaluate(
    service: Annotated[str, typer.Argument(help="The service.")],
    rate: Annotated[float, typer.Option(help="Requests a second to its API.")] = 200.0,
    events_rate: Annotated[
        float | None, typer.Option(help="Events a second; else what its workers get now, or 100.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, max=100, help="Of both layouts.")] = 3,
    duration: Annotated[str, typer.Option(help="Of each, e.g. 10s.")] = "10s",
    path: Annotated[list[str] | None, typer.Option(help="May be given again.")] = None,
    tolerance: Annotated[float | None, typer.Option(min=0, help="0.1: a tenth is well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether to separate a service's workers. Example: workerkit evaluate warehouse"""
    from ..loadtest.evaluation import Volume  # noqa: PLC0415
    from ..trial import evaluate, judge  # noqa: PLC0415
    from . import load, show_load  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415
    from .signals import interruptible  # noqa: PLC0415

    sent = load.load(rate, duration, "1s")
    given = None if events_rate is None else Volume(events_rate, "as --events-rate says")
    with opened() as project, interruptible() as stop:
        volume = given or evaluate.volume_of(project, project.check(service))
        found = evaluate.evaluate(
            project, show_load.Screen(stop, quiet=as_json), service, sent, volume, path or [],
            rounds, judge.tolerated(project, tolerance),
        )  # fmt: skip
        _tell(found, evaluate.write(project, found), as_json)


def _tell(found: Evaluation, file: Path, as_json: bool) -> None:
    from . import show  # noqa: PLC0415

    if as_json:
        show.json({"answer": found.answer, "file": str(file), "evaluation": found})
        return
    show.note(f"{found.service}: separate its workers? {found.answer}")
    show.note(found.reason)
    show.pairs(found.figures)
    show.note(f"rule: {found.rule}")
    show.note(f"written to {file}")
