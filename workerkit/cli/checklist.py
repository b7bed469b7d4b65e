"""`workerkit checklist` and `workerkit progress`."""

from __future__ import annotations

from typing import Annotated

import typer

from .group import Group

progress = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Keep a daily record."
)


def checklist(
    deed: Annotated[str | None, typer.Argument(metavar="tick", help="Say ITEM is done.")] = None,
    item: Annotated[
        str | None, typer.Argument(metavar="ITEM", help="Its id, e.g. day5.approved.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who says so.")] = None,
    require: Annotated[
        str | None, typer.Option(metavar="DAY", help="Exit 5 unless all is done up to it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="What is done, too.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write docs/progress/checklist.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how far the project is, or that one item is done.

    Example: workerkit checklist --require day4
    Example: workerkit checklist tick day5.approved --by 'Ana Silva'
    """
    from .checklist_run import Request, run, tick  # noqa: PLC0415

    if deed or by:
        tick(deed, item, by)
    else:
        raise typer.Exit(run(Request(require or "", everything, markdown, as_json)))


@progress.command("new")
def new() -> None:
    """Write today's page into docs/progress. Example: workerkit progress new"""
    from ..acceptance.checklist import checklist as examine  # noqa: PLC0415
    from ..operate.progress import write_day  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        file = write_day(project.folder, examine(project))
        show.note(f"written: {file.relative_to(project.folder)}")


@progress.callback()
def root() -> None:
    """Keep a daily record."""
