"""Where a project differs from the templates that it was made from, though it need not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..config.answers import read_answers
from .merge import has_conflict
from .plan import read
from .templates import newest_version, render

ENTRY = "/__main__.py"
"""Files that nobody needs to change: what starts a service's processes."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference, and what to do about it."""

    path: str
    fact: str
    way_out: str


def find_drift(folder: Path) -> list[Drift]:
    """What is to be said of the project in *folder*; nothing when no templates made it.

    Handlers, tests and all else are the project's own and may differ.

    Raises:
        ConfigurationError: The answers are wrong, or those of a newer workerkit.
    """
    answers = read_answers(folder)
    if answers is None:
        return []
    found = []
    newest = newest_version()
    if answers.templates < newest:
        fact = f"the project is from version {answers.templates}, the newest is {newest}"
        found.append(Drift("templates", fact, "workerkit update"))
    for path, text in sorted(render(answers).items()):
        ours = read(folder, path)
        if ours is None:
            continue
        if has_conflict(ours):
            fact = "has conflicts of an update"
            found.append(Drift(path, fact, "look for <<<<<<<, and choose"))
        elif path.endswith(ENTRY) and ours != text:
            fact = "differs from the templates"
            found.append(Drift(path, fact, "put it back, and what is special into wire.py"))
    return found
