"""Whether a project's code is still what something was measured with."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .loading import home_of


def source_files(folder: Path, references: Iterable[str]) -> list[Path]:
    """The Python files of the packages in *folder* that *references* (`a.b:c`) lead to, sorted."""
    found: set[Path] = set()
    for reference in references:
        home = home_of(reference, folder)
        found.update(home.rglob("*.py") if home.is_dir() else [home.with_suffix(".py")])
    return sorted(path for path in found if path.is_file())


def digest(files: Sequence[Path], folder: Path) -> str:
    """A short text that changes when one of *files* below *folder* does, in content or name."""
    told = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        told.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        told.update(content)
    return told.hexdigest()[:16]


def syntax_errors(files: Sequence[Path], folder: Path) -> Iterator[str]:
    """`file:line: what`, for each of *files* that Python cannot read."""
    for path in files:
        try:
            ast.parse(path.read_bytes(), str(path))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            yield f"{path.relative_to(folder).as_posix()}:{line}: {getattr(error, 'msg', error)}"
