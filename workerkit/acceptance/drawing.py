"""The architecture's document of a project, written and compared."""

from __future__ import annotations

from pathlib import Path

from ..core.put import put
from ..errors import ConfigurationError
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
