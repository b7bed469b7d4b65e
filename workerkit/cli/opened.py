"""What commands that look at a project have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..cron.line import Entry
    from ..project import Project
    from ..storage.database import Database
    from ..storage.runs import SqlLedger


def open_here() -> Project:
    """The project around the current folder; the caller closes it."""
    from ..config.settings import read_environment  # noqa: PLC0415
    from ..project import Project  # noqa: PLC0415

    return Project.open(Path.cwd(), read_environment())


@contextmanager
def opened() -> Iterator[Project]:
    """The project around the current folder, closed at the end of the block."""
    project = open_here()
    try:
        yield project
    finally:
        project.close()


def databases(project: Project, service: str | None = None) -> dict[str, Database]:
    """The databases of *service*, or of every service, by the service's name."""
    names = [project.check(service)] if service else list(project.file.services)
    return {name: project.database(name) for name in names}


@contextmanager
def job_ledger(name: str) -> Iterator[tuple[Entry, SqlLedger]]:
    """Job *name* of the project here, and the ledger that knows it."""
    from ..operate.jobs import find_job  # noqa: PLC0415

    with opened() as project:
        entry = find_job(project.jobs(), name)
        service = entry.name.partition("/")[0]
        project.prepare(service)
        yield entry, project.ledger(service)


def read_json(text: str) -> Any:
    """The value of a --data option: JSON, @FILE, or - for standard input.

    Raises:
        ConfigurationError: It cannot be read, or is not JSON.
    """
    import sys  # noqa: PLC0415

    import orjson  # noqa: PLC0415

    from ..errors import ConfigurationError  # noqa: PLC0415

    try:
        if text == "-":
            return orjson.loads(sys.stdin.buffer.read())
        return orjson.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except OSError as error:
        raise ConfigurationError(f"--data {text}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"--data is not JSON: {error}") from None
