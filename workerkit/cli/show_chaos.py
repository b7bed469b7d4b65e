"""Chaos runs on a terminal: how one goes, and what came out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ..chaos.course import Seen, rates
from ..trial.breaking import Played
from . import show
from .show_load import sparkline

_BARS = 40


@contextmanager
def live(scenario: str, *, quiet: bool) -> Iterator[Callable[[Seen], object]]:
    """One line on a terminal while *scenario* is played; tell it each look."""
    console = Console(file=sys.stderr, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda seen: None
        return
    course: list[Seen] = []
    with Live(Text(f"{scenario}: starting"), console=console, transient=True,
              auto_refresh=False) as view:  # fmt: skip

        def tell(seen: Seen) -> None:
            course.append(seen)
            settled = [rate for _, rate in rates(course)]
            line = (
                f"{scenario}: {seen.phase}  {seen.published} published  {seen.settled} settled  "
                f"lag {seen.lag}  {sparkline(settled[-_BARS:])}"
            )
            view.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

        yield tell


def played(one: Played) -> None:
    """The verdict in a line, to be pasted anywhere; the reasons below it."""
    verdict = one.verdict
    facts = [
        f"{verdict.confirmed} published", f"{verdict.applied} applied", f"{verdict.dead} dead",
        f"{verdict.lost} lost", f"{verdict.duplicated} done twice",
    ]  # fmt: skip
    facts += [f"{verdict.flushed} flushed"] if verdict.flushed else []
    course = [f"hit {verdict.hit} in progress"]
    if verdict.detection is not None:
        course.append(f"noticed in {show.duration(verdict.detection)}")
    if verdict.recovery is not None:
        course.append(f"recovered in {show.duration(verdict.recovery)}")
    if verdict.api_p95 is not None:
        course.append(f"API p95 {verdict.api_p95 * 1000:.0f} ms, "
                      f"{verdict.api_errors} of {verdict.api_asked} failed")  # fmt: skip
    show.note(
        f"{verdict.result}: {one.scenario} on {one.service} in "
        f"{show.duration(one.seconds)}: {', '.join(facts)}; {', '.join(course)}"
    )
    for reason in verdict.reasons:
        show.note(f"    {reason}")
