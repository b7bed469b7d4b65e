"""What `workerkit checklist` does."""

from __future__ import annotations

from dataclasses import dataclass

from ..acceptance import checklist
from ..acceptance.items import DAYS
from ..core.loading import unknown
from ..errors import ConfigurationError
from ..operate.progress import write_checklist
from ..operate.ticks import FILE
from . import show, show_checklist
from .opened import opened


@dataclass(frozen=True, slots=True)
class Request:
    """The flags; `required` is a day's id, or empty."""

    required: str
    everything: bool
    markdown: bool
    as_json: bool


def run(request: Request) -> int:
    """Show it, or write it down; the exit code that `required` asks for."""
    if request.required and request.required not in DAYS:
        raise ConfigurationError(f"--require: {unknown('day', request.required, DAYS)}")
    with opened() as project, show.progress("looking", checklist.TOTAL) as tell:
        found = checklist.checklist(project, tell)
        file = write_checklist(project.folder, found) if request.markdown else None
        name = file.relative_to(project.folder) if file else None
    code = found.exit_code(request.required)
    if request.as_json:
        show.json({"exit_code": code, "total": found.total.share, "checklist": found})
        return code
    if name is None:
        show_checklist.checklist(found, everything=request.everything)
    else:
        show_checklist.bars(found)
        show.note(f"written: {name}")
    if code:
        unsure = "what is missing cannot be told here, or waits for a person"
        what = "an item is open" if code == 5 else unsure
        show.note(f"up to {request.required}: not done, {what}")
    return code


def tick(deed: str | None, item: str | None, by: str | None) -> None:
    """Have *by* say that *item* is done."""
    if deed != "tick" or item is None or by is None:
        raise ConfigurationError("say it so: workerkit checklist tick ITEM --by NAME")
    with opened() as project:
        ticked = checklist.tick(project, item, by)
    show.note(f"{ticked.item}: {ticked.by}, {ticked.on}; commit {FILE}")
