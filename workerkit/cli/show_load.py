"""Load tests on a terminal: the run as it goes, tables of what came out."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Event

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..loadtest.generator import Load
from ..loadtest.measured import Second
from ..loadtest.run import Run, difference
from ..loadtest.units import shown
from . import show

_BARS = "▁▂▃▄▅▆▇█"
_SECONDS = 40
_WORDS = {True: "ok", False: "fail", None: "not proven"}


class Screen:
    """Tells a trial's course, and each run when it is over; when *quiet* only warnings.

    While a run goes on a terminal shows one line, with the p95 of its last
    seconds as a sparkline.
    """

    def __init__(self, stop: Event, *, quiet: bool) -> None:
        self.stop = stop
        self.quiet = quiet

    @contextmanager
    def live(self, what: str, load: Load) -> Iterator[Callable[[Second], object]]:
        """See `Telling`."""
        console = Console(file=sys.stderr, highlight=False)
        if self.quiet or not console.is_terminal:
            yield lambda second: None
            return
        recent: deque[float] = deque(maxlen=_SECONDS)
        with Live(Text(f"{what}: warming up"), console=console, transient=True,
                  auto_refresh=False) as view:  # fmt: skip

            def tell(second: Second) -> None:
                recent.append(second.p95)
                line = _line(what, second, load, recent)
                view.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

            yield tell

    def counting(self, what: str, total: int) -> AbstractContextManager[Callable[[int], object]]:
        """See `Telling`."""
        return show.progress(what, total)

    def warn(self, text: str) -> None:
        """See `Telling`."""
        show.warning(text)

    def done(self, found: Run) -> None:
        """See `Telling`."""
        if not self.quiet:
            run(found)


def _line(what: str, second: Second, load: Load, recent: Sequence[float]) -> str:
    return (
        f"{what}  {second.at + 1}/{load.duration:g} s  {second.answered}/s  "
        f"failed {second.failed}  p50 {second.p50 * 1000:.1f}  p95 {second.p95 * 1000:.1f}  "
        f"p99 {second.p99 * 1000:.1f} ms  {sparkline(recent)}"
    )


def sparkline(values: Sequence[float]) -> str:
    """*values* as bars, the largest the highest; empty for none."""
    highest = max(values, default=0.0)
    if not highest:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(value / highest * 7.99))] for value in values)


def run(found: Run) -> None:
    """Everything that a person wants to know of *found*."""
    show.note(found.what)
    if found.ended:
        show.warning(f"{found.ended}; these figures are what was measured until then")
    if not found.differences:
        show.pairs([(name, shown(name, value)) for name, value in found.figures.items()])
    if found.counts:
        show.note(", ".join(f"{name} {count}" for name, count in found.counts.items()))
    show.table(
        (show.Column("process", cut=True), show.Column("pid", number=True),
         show.Column("cpu", number=True), show.Column("peak", number=True),
         show.Column("memory", number=True), show.Column("at most", number=True)),
        [(u.name, u.pid, f"{u.cpu:.0%}", f"{u.peak:.0%}", megabytes(u.rss), megabytes(u.rss_peak))
         for u in found.usage],
    )  # fmt: skip
    numbers = [show.Column(name, number=True) for name in ("inline", "separated", "times", "95 %")]
    show.table(
        (show.Column("figure"), *numbers, show.Column("separated is", word=True)),
        [(d.figure, shown(d.figure, d.inline), shown(d.figure, d.separated), f"{d.ratio:.2f}",
          d.interval, d.verdict) for d in found.differences],
    )  # fmt: skip
    machine = found.machine
    show.note(f"{machine.system}, {machine.cores} cores, {machine.python}, load {machine.load}")
    for text in found.notes:
        show.note(text)
    checks([found])
    show.note(f"kept as {found.id}: `workerkit loadtest show {found.id}`")


def checks(found: Sequence[Run]) -> None:
    """One verdict a row."""
    show.table(
        (show.Column("verdict", word=True), show.Column("run"), show.Column("must"),
         show.Column("was")),
        [(_WORDS[check.holds], each.id, check.text, check.seen)
         for each in found for check in each.checks],
    )  # fmt: skip


def runs(found: Sequence[Run]) -> None:
    """One run a row, the oldest first."""
    if not found:
        show.note("no run is kept; make one: `workerkit loadtest api`")
        return
    show.table(
        (show.Column("run"), show.Column("verdict", word=True), show.Column("p50", number=True),
         show.Column("p95", number=True), show.Column("rate", number=True),
         show.Column("errors", number=True), show.Column("what", cut=True)),
        [(r.id, verdict(r), *(figure(r, n) for n in ("p50", "p95", "rate", "errors")), r.what)
         for r in found],
    )  # fmt: skip


def diff(before: Run, after: Run) -> None:
    """Two runs beside each other, with what changed."""
    for each in (before, after):
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.at))
        show.note(f"{each.id}  {day}  load {each.machine.load}  {each.what}")
    rows = [
        (name, shown(name, one), shown(name, other), f"{other / one - 1:+.1%}" if one else "-")
        for name, one, other in difference(before, after)
    ]
    numbers = [show.Column(name, number=True) for name in ("before", "after", "change")]
    show.table((show.Column("figure"), *numbers), rows)


def verdict(found: Run) -> str:
    """In a word."""
    if found.ended:
        return "stopped"
    return {0: "ok", 6: "not proven"}.get(found.exit_code, "fail")


def figure(found: Run, name: str) -> str:
    """The figure *name*, or a dash."""
    return shown(name, found.figures[name]) if name in found.figures else "-"


def megabytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.0f} MB"
