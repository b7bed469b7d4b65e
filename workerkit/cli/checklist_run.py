"""What `workerkit checklist` does."""

from __future__ import annotations

from ..acceptance.checklist import TOTAL, checklist
from ..operate.progress import write_checklist
from . import show, show_checklist
from .opened import opened


def run(required: str | None, *, everything: bool, markdown: bool, as_json: bool) -> int:
    """Show it, or write it down; the exit code that *required* asks for."""
    with opened() as project, show.progress("looking", TOTAL) as tell:
        found = checklist(project, tell)
        file = write_checklist(project.folder, found) if markdown else None
        name = file.relative_to(project.folder) if file else None
    code = found.exit_code(required)
    if as_json:
        show.json({"exit_code": code, "total": found.total.share, "checklist": found})
        return code
    if name is None:
        show_checklist.checklist(found, everything=everything)
    else:
        show_checklist.bars(found)
        show.note(f"written: {name}")
    if code:
        what = "an item is open" if code == 5 else "what is missing cannot be told here"
        show.note(f"up to {required}: not done, {what}")
    return code
