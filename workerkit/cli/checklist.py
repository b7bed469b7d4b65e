"""`workerkit checklist` and `workerkit progress`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .group import Group

app = typer.Typer(
    cls=Group, invoke_without_command=True, rich_markup_mode=None,
    help="Say how far the project is; every item is settled by a probe, or by a name.",
)  # fmt: skip

progress = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Keep a daily record."
)

Required = Literal["day1", "day2", "day3", "day4", "day5", "success"]


@app.callback()
def checklist(
    context: typer.Context,
    require: Annotated[
        Required | None, typer.Option(help="Exit 5 unless all is done up to it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="What is done, too.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write docs/progress/checklist.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say how far the project is. Example: workerkit checklist --require day4"""
    if context.invoked_subcommand is None:
        from .checklist_run import run  # noqa: PLC0415

        raise typer.Exit(run(require, everything=everything, markdown=markdown, as_json=as_json))


@app.command()
def tick(
    item: Annotated[str, typer.Argument(help="Its id, e.g. day5.approved.")],
    by: Annotated[str, typer.Option(help="Who says so.")],
) -> None:
    """Say that it is done. Example: workerkit checklist tick day5.approved --by 'Ana Silva'"""
    from ..acceptance.checklist import tick as write  # noqa: PLC0415
    from ..operate.ticks import FILE  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        ticked = write(project, item, by)
    show.note(f"{ticked.item}: {ticked.by}, {ticked.on}; commit {FILE}")


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
