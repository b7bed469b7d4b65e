"""The project around a folder, and the answers that it keeps."""

from __future__ import annotations

from pathlib import Path

from ..config.answers import ANSWERS, Answers, read_answers
from ..config.project_file import find_project
from ..errors import ConfigurationError


def open_answers(start: Path) -> tuple[Path, Answers]:
    """The project at or above *start*, and its answers.

    Raises:
        ConfigurationError: There is none, or `workerkit new` has not made it.
    """
    folder = find_project(start)
    if folder is None:
        raise ConfigurationError(f"no project in {start}: make one with `workerkit new NAME`")
    answers = read_answers(folder)
    if answers is None:
        raise ConfigurationError(
            f"{folder.name} has no {ANSWERS}: it was not made with `workerkit new`"
        )
    return folder, answers
