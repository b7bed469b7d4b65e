"""`workerkit events`: look into the topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .group import Group

if TYPE_CHECKING:
    from ..operate.topics import Seen
    from ..project import Project

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Look into the topics."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def tail(
    topics: Annotated[list[str] | None, typer.Argument(help="Topics; all without.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="What is kept, too.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    follow: Annotated[bool, typer.Option(help="Wait for more; without: what is kept.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show events as they are published. Example: workerkit events tail orders --from-start"""
    from ..operate.topics import tail as read  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415
    from .signals import interruptible  # noqa: PLC0415

    left = count
    with opened() as project, interruptible() as stop:
        _warn_unknown(project, topics or [])
        whole = from_start or not follow
        for batch in read(project.transport, topics or [], stop, from_start=whole, follow=follow):
            show_batch(batch[:left], as_json=as_json)
            left = None if left is None else left - len(batch)
            if left is not None and left <= 0:
                return
        raise typer.Exit(130 if stop.is_set() else 0)


@app.command()
def lag(
    topics: Annotated[list[str] | None, typer.Argument(help="Topics; all without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what waits, by topic and group. Example: workerkit events lag orders"""
    from ..operate.topics import lags  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import databases, opened  # noqa: PLC0415

    with opened() as project:
        found = lags(project.transport, _subscribed(project), databases(project), topics or [])
    if as_json:
        return show.json(found)
    numbers = [show.Column(n, number=True) for n in ("lag", "oldest", "parked", "dead")]
    rows = [
        (t.topic, t.group or "(nobody)", t.events, show.duration(t.oldest_age) if t.events else "-",
         *("-" if n is None else n for n in (t.parked, t.dead)))
        for t in found
    ]  # fmt: skip
    show.table((show.Column("topic"), show.Column("group"), *numbers), rows)
    if not rows:
        show.note("no topic has an event or a group yet; publish one: `workerkit publish TOPIC`")
    return None


@app.command()
def trace(
    id: Annotated[str, typer.Argument(help="Of an event or a trace; logs and `tail` have them.")],
    as_json: AsJson = False,
) -> None:
    """Show what came of an event, step by step. Example: workerkit events trace 7c0e..."""
    from ..trail import find_trail  # noqa: PLC0415
    from . import show, show_trace  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        found = find_trail(project, id)
    if as_json:
        return show.json(found)
    return show_trace.trace(found)


def show_batch(batch: list[Seen], *, as_json: bool) -> None:
    """One line an event."""
    import orjson  # noqa: PLC0415

    from . import show  # noqa: PLC0415

    if as_json:
        for seen in batch:
            show.json(seen)
        return
    show.lines(
        [
            f"{show.clock(seen.published)}  {seen.topic}  {seen.id}  {seen.source or '-'}  "
            + (f"unreadable: {seen.problem}  " if seen.problem else "")
            + orjson.dumps(seen.data).decode()
            for seen in batch
        ]
    )


def _warn_unknown(project: Project, topics: list[str]) -> None:
    """A topic may come to life later, so a slip is told and followed all the same."""
    from ..core.loading import unknown  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    kept = project.transport.topics()
    if all(topic in kept for topic in topics):
        return
    known = {*kept, *_subscribed(project)}
    for topic in topics:
        if topic not in known:
            show.warning(f"{unknown('topic', topic, known)} Waiting for it.")


def _subscribed(project: Project) -> dict[str, list[str]]:
    """Topics with the services that listen; warns of services that cannot be wired."""
    from ..publisher import event_workers  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    workers, warnings = event_workers(project)
    for text in warnings:
        show.warning(text)
    found: dict[str, list[str]] = {}
    for name, worker in workers:
        found.setdefault(worker.topic, []).append(name)
    return found
