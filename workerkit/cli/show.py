"""The one place that renders: tables, pairs and notes on a terminal, plain text in a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TextIO

import orjson
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ..operate.finding import Findings

PATIENCE = 2.0
"""Seconds after which progress is shown."""

_GAP = 2
_LEAST = 8
"""Blanks between columns, and the width that a cut column keeps."""

_COLOURS = {
    "ok": "green", "running": "green", "applied": "green", "succeeded": "green",
    "warn": "yellow", "degraded": "yellow", "paused": "yellow", "parked": "yellow",
    "waiting": "yellow",
    "duplicate": "cyan", "foreign": "magenta",
    "fail": "red", "dead": "red", "stopped": "red", "failed": "red",
}  # fmt: skip


_DIFF = {"+": "green", "-": "red", "@": "cyan"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    A *number* goes to the right. On a narrow terminal only a *cut* column
    loses its end. The texts of a *word* column, such as "dead", have colours.
    """

    title: str
    number: bool = False
    cut: bool = False
    word: bool = False


def json(value: Any) -> None:
    """*value*, a dataclass or a tuple of them, as one line of JSON."""
    sys.stdout.write(orjson.dumps(value, default=_foreign, option=_JSON).decode() + "\n")
    sys.stdout.flush()


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """Rows under their titles; prints nothing when there are none."""
    if not rows:
        return
    texts = [[plain(str(value)) for value in row] for row in rows]
    console = _console(sys.stdout)
    widths = _widths(columns, texts, console.width)
    # What must stay whole may be wider than the terminal, which then wraps the line itself.
    console.width = max(console.width, sum(widths) + _GAP * (len(widths) - 1))
    drawn = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        justify: Literal["right", "left"] = "right" if column.number else "left"
        drawn.add_column(
            column.title, justify=justify, width=width, no_wrap=True, overflow="ellipsis"
        )
    for row in texts:
        drawn.add_row(*(_cell(column, text) for column, text in zip(columns, row, strict=True)))
    _draw(console, drawn)


def pairs(items: Sequence[tuple[str, object]]) -> None:
    """Names and values, one a line; long values go on below, none is cut."""
    width = max((len(name) for name, _ in items), default=0)
    console = _console(sys.stdout)
    for name, value in items:
        lines = plain(str(value), newlines=True).splitlines() or [""]
        console.print(Text(f"{name:{width}}  ", style="bold") + Text(lines[0]), soft_wrap=True)
        for line in lines[1:]:
            console.print(Text(" " * (width + 2) + line), soft_wrap=True)


def note(text: str) -> None:
    """A sentence on standard output."""
    _console(sys.stdout).print(Text(plain(text)), soft_wrap=True)


def warning(text: str) -> None:
    """A sentence on standard error."""
    said = Text("warning: ", style="yellow") + Text(plain(text))
    _console(sys.stderr).print(said, soft_wrap=True)


def lines(rows: Sequence[str]) -> None:
    """One line each; on a terminal cut to its width, in a pipe whole."""
    console = _console(sys.stdout)
    text = Text("\n".join(plain(row) for row in rows))
    if console.is_terminal:
        console.print(text, no_wrap=True, overflow="ellipsis")
    else:
        console.print(text, soft_wrap=True)


def diff(rows: Iterable[str]) -> None:
    """Lines of a unified diff, whole."""
    console = _console(sys.stdout)
    for row in rows:
        console.print(Text(plain(row), style=_DIFF.get(row[:1], "")), soft_wrap=True)


def findings(found: Findings, as_json: bool) -> int:
    """All checks, as JSON if asked; the exit code that they make."""
    if as_json:
        json({"failed": found.failed, "checks": found.checks})
    else:
        for check in found.checks:
            finding(check.level, check.name, check.fact, check.way_out)
    return 5 if found.failed else 0


def finding(level: str, name: str, fact: str, way_out: str, width: int = 24) -> None:
    """A check with its fact, and below it the way out; folded at the terminal's width.

    *width* is that of the names.
    """
    console = _console(sys.stdout)
    grid = Table.grid(padding=(0, 2))
    for column in (4, width):
        grid.add_column(width=column, overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_row(Text(level, style=colour(level)), plain(name), plain(fact))
    if way_out:
        grid.add_row("", "", Text(f"-> {plain(way_out)}", style="dim"))
    _draw(console, grid)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yields what is told how much is done; a bar comes after 2 s, on a terminal alone."""
    console = _console(sys.stderr)
    if not console.is_terminal:
        yield lambda done: None
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task(what, total=total)
    began = time.monotonic()

    def update(done: int) -> None:
        if not bar.live.is_started and time.monotonic() - began > PATIENCE:
            bar.start()
        bar.update(task, completed=done)

    try:
        yield update
    finally:
        bar.stop()


def duration(seconds: float) -> str:
    """Seconds for people, e.g. `0.021 s`, `90 s`, `5 min`, `3 h`, `2 d`."""
    if seconds < 10:
        return f"{seconds:.3f} s"
    for limit, unit, name in ((100, 1, "s"), (6000, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} d"


def clock(seconds: float) -> str:
    """Epoch seconds as the local time of day, to the millisecond."""
    return datetime.fromtimestamp(seconds).strftime("%H:%M:%S.%f")[:-3]


def colour(word: str) -> str:
    """The style of a word that says how something is; empty for any other."""
    return _COLOURS.get(word, "")


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 event`, `2 events`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def plain(text: str, *, newlines: bool = False) -> str:
    """*text* without what could steer a terminal: events carry what anyone wrote."""
    if text.isprintable():
        return text
    keep = "\n" if newlines else ""
    return "".join(char if char.isprintable() or char in keep else "\N{REPLACEMENT CHARACTER}"
                   for char in text)  # fmt: skip


_JSON = orjson.OPT_NON_STR_KEYS


def _foreign(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _console(stream: TextIO) -> Console:
    terminal = stream.isatty()
    columns = os.environ.get("COLUMNS", "")
    wide = int(columns) if columns.isdigit() and int(columns) else 10_000
    return Console(
        file=stream,
        width=None if terminal else wide,
        color_system=None if not terminal or "NO_COLOR" in os.environ else "auto",
        highlight=False,
        markup=False,
        emoji=False,
    )


def _draw(console: Console, drawn: Table) -> None:
    """Print a table; a pipe gets no blanks at the ends of its lines."""
    if console.is_terminal:
        console.print(drawn)
        return
    with console.capture() as captured:
        console.print(drawn)
    rows = captured.get().splitlines()
    sys.stdout.write("".join(f"{row.rstrip()}\n" for row in rows))


def _cell(column: Column, text: str) -> Text:
    return Text(text, style=colour(text) if column.word else "")


def _widths(columns: Sequence[Column], texts: Sequence[Sequence[str]], room: int) -> list[int]:
    """What the widest cell of each column needs; the widest *cut* ones give up what is missing."""
    widths = [
        max(cell_len(text) for text in (column.title, *(row[n] for row in texts)))
        for n, column in enumerate(columns)
    ]
    missing = sum(widths) + _GAP * (len(widths) - 1) - room
    for _ in range(max(0, missing)):
        cuttable = [n for n, c in enumerate(columns) if c.cut and widths[n] > _LEAST]
        if not cuttable:
            break
        widths[max(cuttable, key=lambda n: widths[n])] -= 1
    return widths
