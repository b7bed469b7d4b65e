"""The architecture's document of a project, written and compared."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from ..config.settings import read_environment
from ..core.put import put
from ..errors import ConfigurationError, WorkerkitError
from ..operate.architecture import DOCUMENT, renewed, stale
from ..project import Project, Service


def draw(project: Project) -> Path:
    """Bring the generated parts of the document up to date; what people wrote stays.

    Raises:
        ConfigurationError: A service cannot be put together.
        Unreachable: The file cannot be written.
    """
    path = project.folder / DOCUMENT
    text = renewed(_text(path), _services(project), project.file, project.folder)
    return put(path, text)


def draw_if_possible(folder: Path) -> str:
    """Draw the document of the project in *folder*, where it has one; says why it could not.

    That is when its code cannot be loaded. Nothing is left behind: it gets its data elsewhere,
    and no bytecode is written.
    """
    if not (folder / DOCUMENT).exists():
        return ""
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with tempfile.TemporaryDirectory() as data:
            elsewhere = read_environment().model_copy(update={"workerkit_data": data})
            with closing(Project.open(folder, elsewhere)) as project:
                draw(project)
    except WorkerkitError as error:
        return f"{DOCUMENT} is as it was: {error}; then `workerkit architecture`"
    finally:
        sys.dont_write_bytecode = written
    return ""


def drift(project: Project) -> list[str]:
    """The parts that are not what the code says; all of them when there is no document."""
    path = project.folder / DOCUMENT
    return stale(_text(path), _services(project), project.file, project.folder)


def _services(project: Project) -> dict[str, Service]:
    return {name: project.service(name) for name in project.file.services}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
