"""`workerkit deploy`: into production with compose, watched, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .group import Group

if TYPE_CHECKING:
    from ..acceptance.verifying import Place
    from ..operate.deploy import Order
    from ..project import Project

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None,
    help="Plan a deployment with compose, verify one that runs, take it back.",
)  # fmt: skip

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Host = Annotated[str | None, typer.Option(help="Where it runs; else on this machine.")]
Urls = Annotated[list[str] | None, typer.Option("--url", help="NAME=URL of one process.")]
Inline = Annotated[bool, typer.Option("--inline", help="The APIs have taken their workers in.")]


@app.command()
def plan(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write docs/WORKERS_DEPLOYMENT_PLAN.md.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the steps, with the names of this project. Example: workerkit deploy plan"""
    from ..core.put import put_new  # noqa: PLC0415
    from ..operate import deploy  # noqa: PLC0415
    from . import show, show_deploy  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        compose = deploy.compose_of(project.folder, project.file)
        deploy.write_override(compose, project.data / deploy.OVERRIDE)
        sections = deploy.plan(compose, project.file, deploy.find_tool())
        if markdown:
            put_new(project.folder / deploy.DOCUMENT, deploy.written(sections, project.file.name))
            return show.note(f"written: {deploy.DOCUMENT}; fill in its fields")
    if as_json:
        return show.json(sections)
    return show_deploy.plan(sections)


@app.command()
def verify(
    lasting: Annotated[str | None, typer.Option("--for", help="Stay so long, e.g. 1h.")] = None,
    host: Host = None,
    url: Urls = None,
    inline: Inline = False,
    as_json: AsJson = False,
) -> None:
    """Ask a running deployment whether it works. Example: workerkit deploy verify --for 1h"""
    from ..acceptance.verifying import Place  # noqa: PLC0415
    from ..loadtest.units import seconds  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    place = Place(host, url or [], inline)
    length = None if lasting is None else seconds(lasting, "--for")
    with opened() as project:
        raise typer.Exit(_verify(project, place, length, as_json))


@app.command()
def rollback(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before each command.")] = False,
    host: Host = None,
    url: Urls = None,
) -> None:
    """Stop the workers, APIs inline, verify. Example: workerkit deploy rollback --yes"""
    from ..acceptance.verifying import Place, verified  # noqa: PLC0415
    from ..operate import deploy  # noqa: PLC0415
    from . import show_deploy  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        compose = deploy.compose_of(project.folder, project.file)
        override = project.data / deploy.OVERRIDE
        deploy.write_override(compose, override)
        for order in deploy.rollback(compose, override, deploy.find_tool()):
            _agree(order, yes)
            deploy.carry_out(order, project.folder)
        place = Place(host, url or [], inline=True)
        found = verified(project, place, show_deploy.check, "rollback")
    raise typer.Exit(show_deploy.verdict(found, back=True))


def _verify(project: Project, place: Place, length: float | None, as_json: bool) -> int:
    from ..acceptance.verifying import verified, watched  # noqa: PLC0415
    from . import show, show_deploy  # noqa: PLC0415
    from .signals import interruptible  # noqa: PLC0415

    if length is None:
        found = verified(project, place, (lambda check: None) if as_json else show_deploy.check)
    else:
        with interruptible() as stop, show_deploy.watching(length, quiet=as_json) as tell:
            found = watched(project, place, length, stop, tell)
        if not as_json:
            for check in found.checks:
                show_deploy.check(check)
    if as_json:
        show.json({"result": found.result, "verified": found})
        return show_deploy.EXIT_CODES[found.result]
    return show_deploy.verdict(found)


def _agree(order: Order, yes: bool) -> None:
    """Print what is about to be done, and let the user decide."""
    import sys  # noqa: PLC0415

    from ..errors import ConfigurationError  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .asking import agreed  # noqa: PLC0415

    show.note(f"{order.purpose}:")
    show.note(f"    {order.shown}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("a rollback needs --yes here: nobody can be asked")
    if not agreed("Do it?", usual=False):
        raise typer.Exit(1)
