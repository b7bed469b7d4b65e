"""Loads every service, brings its database up to date, and tells what there is to run.

Run by `workerkit dev` as a process of its own before each start.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

from ..config.settings import read_environment
from ..core.child import end_with_parent
from ..core.parts import Part
from ..core.user_code import where_it_failed
from ..errors import WorkerkitError
from ..operate.dev import Prepared
from ..project import Project


def prepare(project: Project) -> Prepared:
    """One service's trouble keeps no other from being prepared."""
    parts: list[Part] = []
    problems: dict[str, str] = {}
    for name, entry in project.file.services.items():
        try:
            project.upgrade(name)
            modes = project.modes(name)
        except WorkerkitError as error:
            problems[name] = str(error)
        except (Exception, SystemExit) as error:  # whatever a project's code does
            problems[name] = where_it_failed(error, project.folder)
        else:
            parts.extend(Part(name, mode, getattr(entry.ports, mode)) for mode in modes)
    return Prepared(tuple(parts), problems)


def main() -> None:
    """Print what was found as the last line; what a project prints goes to standard error."""
    end_with_parent()
    try:
        project = Project.open(Path.cwd(), read_environment())
        with redirect_stdout(sys.stderr):
            found = prepare(project)
        project.close()
    except WorkerkitError as error:
        sys.exit(str(error))
    print(found.line(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
