"""`workerkit architecture`."""

from __future__ import annotations

from typing import Annotated

import typer


def architecture(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 5 on drift.")] = False,
) -> None:
    """Draw docs/ARCHITECTURE.md from the code. Example: workerkit architecture --check"""
    from ..acceptance.drawing import draw, drift  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        if check:
            old = drift(project)
            show.note(f"not what the code says: {', '.join(old)}" if old else "as the code says")
            raise typer.Exit(5 if old else 0)
        show.note(f"written: {draw(project).relative_to(project.folder)}")
