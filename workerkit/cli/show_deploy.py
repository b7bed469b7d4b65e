"""How plans and verified deployments look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..operate.deploy import Section
from ..operate.smoke import Check, Verified
from . import show

EXIT_CODES = {"pass": 0, "fail": 5, "not proven": 6}

_LEVELS = {True: "ok", False: "fail", None: "warn"}


def plan(sections: Sequence[Section]) -> None:
    """Numbered steps, and below each what to type."""
    for section in sections:
        show.note(section.title)
        for number, step in enumerate(section.steps, 1):
            show.note(f"{number:3}. {step.text}")
            if step.command:
                show.note(f"       {step.command}")


def check(made: Check) -> None:
    """One line."""
    show.finding(_LEVELS[made.holds], made.name, made.seen, "", width=32)


def verdict(found: Verified, *, back: bool = False) -> int:
    """The last line, and its exit code; *back*: it was rolled back already."""
    broken = [check.name for check in found.checks if check.holds is False]
    unproven = [check.name for check in found.checks if check.holds is None]
    reasons = {"pass": [], "fail": broken, "not proven": unproven}[found.result]
    said = f"{found.result}: {show.count(len(found.checks), 'check')} in {found.watched:.1f} s"
    show.note(f"{said}{': ' * bool(reasons)}{', '.join(reasons)}")
    if found.result == "fail":
        undo = "" if back else ", or go back: `workerkit deploy rollback`"
        show.note(f"-> look at the log of what is named, and at `workerkit doctor`{undo}")
    return EXIT_CODES[found.result]


@contextmanager
def watching(lasting: float, *, quiet: bool) -> Iterator[Callable[[float, Sequence[Check]], None]]:
    """A bar on a terminal; what breaks is a line at once, everywhere but with *quiet*."""
    with show.progress("watching", max(1, round(lasting))) as update:

        def tell(seconds: float, broken: Sequence[Check]) -> None:
            update(round(min(seconds, lasting)))
            for each in broken:
                if not quiet:
                    show.warning(f"after {seconds:.0f} s: {each.name}: {each.seen}")

        yield tell
