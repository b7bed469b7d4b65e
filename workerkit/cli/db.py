"""`workerkit db`."""

from __future__ import annotations

from typing import Annotated

import typer

from .group import Group

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Look after the databases."
)


@app.callback()
def root() -> None:
    """Look after the databases."""


@app.command()
def upgrade(
    service: Annotated[str | None, typer.Argument(help="This one; all without.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring tables up to date, the services' own too. Example: workerkit db upgrade pricing"""
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    done = []
    with opened() as project:
        for name in [project.check(service)] if service else list(project.file.services):
            before, after = project.upgrade(name)
            done.append(
                {"service": name, "database": project.database(name).shown,
                 "before": before, "after": after}
            )  # fmt: skip
            if not as_json:
                said = f"version {before} -> {after}" if before != after else f"version {after}"
                show.note(f"{name}: {said}  {project.database(name).shown}")
    if as_json:
        show.json(done)
