"""`workerkit chaos`: break things on purpose, and have it computed whether anything was lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..chaos.catalogue import SCENARIOS
from .group import Group

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None,
    help="Break things on purpose; says whether anything was lost or done twice.",
)  # fmt: skip

Service = Annotated[str | None, typer.Argument(help="To be disturbed; else the first that can.")]
Topic = Annotated[str | None, typer.Option(help="To publish to; else its first worker's.")]
Rate = Annotated[float, typer.Option(min=1.0, max=5000.0, help="Events a second.")]
Quick = Annotated[bool, typer.Option("--quick", help="Shorter phases before and after.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Keep = Annotated[Path | None, typer.Option(help="Folder for journal.json, junit.xml, report.html.")]
Target = Annotated[
    Literal["here", "compose"],
    typer.Option(help="Processes of this machine, or containers as the compose file has them."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]

Command = Callable[..., None]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the scenarios. Example: workerkit chaos list"""
    from . import show  # noqa: PLC0415

    if as_json:
        return show.json(SCENARIOS)
    columns = (show.Column("scenario"), show.Column("of"), show.Column("what is done", cut=True))
    return show.table(columns, [(one.name, one.mode, one.words) for one in SCENARIOS])


def _command(names: tuple[str, ...]) -> Command:
    """A command that plays the scenarios *names*, one after another."""

    def play(
        service: Service = None,
        topic: Topic = None,
        rate: Rate = 100.0,
        quick: Quick = False,
        keep: Keep = None,
        target: Target = "here",
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        from ..trial.place import LoadOf  # noqa: PLC0415
        from .chaos_run import Request, run  # noqa: PLC0415

        load = LoadOf(topic, rate, quick)
        in_containers = target == "compose"
        request = Request(names, service, load, keep, dry_run, as_json, None, in_containers)
        raise typer.Exit(run(request, Path.cwd()))

    return play


@app.command("random")
def random_(
    service: Service = None,
    lasting: Annotated[str, typer.Option("--for", help="e.g. 90s or 10m.")] = "1m",
    seed: Annotated[int | None, typer.Option(min=0, help="Draws the same faults again.")] = None,
    topic: Topic = None,
    rate: Rate = 100.0,
    keep: Keep = None,
    target: Target = "here",
    as_json: AsJson = False,
) -> None:
    """One fault after another, drawn by lot. Example: workerkit chaos random --for 10m --seed 7"""
    from random import randrange  # noqa: PLC0415

    from ..loadtest.units import seconds  # noqa: PLC0415
    from ..trial.breaking import Drawn  # noqa: PLC0415
    from ..trial.place import LoadOf  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .chaos_run import Request, run  # noqa: PLC0415

    drawn = Drawn(seconds(lasting, "--for"), randrange(10**6) if seed is None else seed)
    show.warning(f"the same again: --for {lasting} --seed {drawn.seed}")
    load, in_containers = LoadOf(topic, rate), target == "compose"
    request = Request(("random",), service, load, keep, False, as_json, drawn, in_containers)
    raise typer.Exit(run(request, Path.cwd()))


for _one in SCENARIOS:
    _help = f"{_one.words} Example: workerkit chaos {_one.name} --quick"
    app.command(_one.name, help=_help)(_command((_one.name,)))
app.command("all", help="Play every scenario. Example: workerkit chaos all --quick")(
    _command(tuple(one.name for one in SCENARIOS))
)
app.command("lose-redis", hidden=True, help="As lose-broker. Example: workerkit chaos lose-redis")(
    _command(("lose-broker",))
)
