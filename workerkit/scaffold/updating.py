"""`workerkit update`: newer templates, with what was changed in the project kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..config.answers import ANSWERS
from ..errors import ConfigurationError
from .kept import open_answers
from .merge import has_conflict, merge
from .plan import Change, Plan, read
from .project_files import answers_text
from .templates import newest_version, render


@dataclass(frozen=True, slots=True)
class Update:
    """From one version of the templates to another; both alike when there is no newer one."""

    old: int
    new: int
    plan: Plan


def plan_update(start: Path) -> Update:
    """What the newest templates change in the project at *start*.

    Each file is merged from what the templates were when the project was last
    brought up to date, what it is now, and what they are now. A file that was
    deleted stays deleted.

    Raises:
        ConfigurationError: No project, or one that still has conflicts of the last update.
    """
    folder, answers = open_answers(start)
    newest = newest_version()
    before = render(answers)
    after = render(answers.model_copy(update={"templates": newest}))
    changes: list[Change] = []
    notes: list[str] = []
    for path in sorted({*before, *after}):
        text = read(folder, path)
        if text is not None and has_conflict(text):
            raise ConfigurationError(f"{path} has conflicts of an earlier update: solve them first")
        change, note = _merged(path, before.get(path), text, after.get(path), newest)
        if change.before != change.after:
            changes.append(change)
        if note:
            notes.append(note)
    if answers.templates != newest:
        raised = answers_text(answers.model_copy(update={"templates": newest}))
        changes.append(Change(ANSWERS, read(folder, ANSWERS), raised))
    return Update(answers.templates, newest, Plan(folder, tuple(changes), tuple(notes)))


def _merged(
    path: str, base: str | None, ours: str | None, theirs: str | None, version: int
) -> tuple[Change, str]:
    """What becomes of one file, and what is to be said of it."""
    if theirs in (base, ours):
        return Change(path, ours, ours), ""
    if ours is None and base is not None:
        return Change(path, None, None), f"{path} was deleted here and stays so"
    if ours == base:
        return Change(path, ours, theirs), ""
    if theirs is None:
        note = f"{path} is not in the templates any more; it was changed here and stays"
        return Change(path, ours, ours), note
    merged = merge(base or "", ours or "", theirs, f"templates {version}")
    return Change(path, ours, merged.text, merged.conflicts), ""
