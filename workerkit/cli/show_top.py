"""How `workerkit top` looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..operate.top import Row, Scene
from . import show

_KEYS = "up/down choose  t run  p pause  r replay  q quit"

_TITLES = (
    show.Column("worker", cut=True), show.Column("port", number=True),
    show.Column("status", word=True), show.Column("rate", number=True),
    show.Column("lag", number=True), show.Column("oldest", number=True),
    show.Column("done", number=True), show.Column("failed", number=True),
    show.Column("next", number=True),
)  # fmt: skip


def once(scene: Scene) -> None:
    """One table, as in a pipe."""
    show.table(_TITLES, [_cells(row) for row in scene.rows])
    if not scene.rows:
        show.note("no worker runs; start them: `workerkit dev` or `workerkit run`")
    show.note(_summary(scene))
    for trouble in scene.troubles:
        show.warning(trouble)


@contextmanager
def live() -> Iterator[Callable[[Scene, int, str], None]]:
    """Draws over the whole terminal, and gives it back at the end.

    It is told the scene, which row is chosen, and what the last key did.
    """
    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as view:

        def draw(scene: Scene, chosen: int, said: str) -> None:
            view.update(_screen(scene, chosen, said, console.height), refresh=True)

        yield draw


def _screen(scene: Scene, chosen: int, said: str, height: int) -> Group:
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold", expand=True)
    for column in _TITLES:
        shown.add_column(
            column.title, justify="right" if column.number else "left", no_wrap=True,
            overflow="ellipsis", ratio=1 if column.cut else None,
        )  # fmt: skip
    room = max(1, height - 4 - len(scene.troubles[:3]))
    first = max(0, min(chosen - room + 1, len(scene.rows) - room))
    for number, row in enumerate(scene.rows[first : first + room], first):
        cells = [
            Text(cell, style=show.colour(cell) if column.word else "")
            for column, cell in zip(_TITLES, _cells(row), strict=True)
        ]
        shown.add_row(*cells, style="reverse" if number == chosen else "")
    troubles = [Text(show.plain(text), style="red", no_wrap=True, overflow="ellipsis")
                for text in scene.troubles[:3]]  # fmt: skip
    foot = Text(show.plain(said) or _KEYS, style="dim", no_wrap=True, overflow="ellipsis")
    return Group(Text(_summary(scene), style="bold"), shown, *troubles, foot)


def _cells(row: Row) -> tuple[str, ...]:
    cron = row.kind == "cron"
    return (
        row.name, str(row.port), row.status,
        "-" if row.rate is None or cron else f"{row.rate:,.0f}/s",
        "-" if cron else f"{row.lag:,}",
        "-" if cron or not row.lag else show.duration(row.oldest),
        f"{row.processed:,}", f"{row.failed:,}",
        "-" if row.next is None else _countdown(row.next),
    )  # fmt: skip


def _countdown(seconds: float) -> str:
    whole = int(seconds)
    if whole >= 86_400:
        return show.duration(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _summary(scene: Scene) -> str:
    rate = sum(row.rate or 0.0 for row in scene.rows if row.kind != "cron")
    return (
        f"{rate:,.0f} events/s   {sum(row.lag for row in scene.rows):,} waiting   "
        f"{scene.parked:,} parked   {scene.dead:,} dead   {scene.outbox:,} in outboxes"
    )
