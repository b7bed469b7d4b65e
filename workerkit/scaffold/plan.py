"""Changes to a project's files: shown before they are made, and made all or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from ..core.put import put
from ..errors import ConfigurationError, Unreachable


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a project, *path* below its folder; None is a file that is not there.

    `conflicts` counts the places where both sides changed the same lines.
    """

    path: str
    before: str | None
    after: str | None
    conflicts: int = 0

    @property
    def verb(self) -> str:
        """What happens to the file, in a word."""
        if self.conflicts:
            return "conflict"
        if self.before is None:
            return "new"
        return "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes by path, and *notes* on what is left alone on purpose."""

    folder: Path
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @property
    def conflicts(self) -> tuple[str, ...]:
        """The files that will need a hand."""
        return tuple(change.path for change in self.changes if change.conflicts)

    def diff(self) -> Iterator[str]:
        """What changes, as lines of a unified diff."""
        for change in self.changes:
            before = (change.before or "").splitlines()
            after = (change.after or "").splitlines()
            source = "/dev/null" if change.before is None else f"a/{change.path}"
            target = "/dev/null" if change.after is None else f"b/{change.path}"
            yield from unified_diff(before, after, source, target, lineterm="")

    def carry_out(self) -> None:
        """Make the changes; when one fails, or Ctrl-C comes, those before it are undone.

        Raises:
            Unreachable: A file cannot be written; nothing was changed.
        """
        done: list[Change] = []
        try:
            for change in self.changes:
                done.append(change)
                _put(self.folder / change.path, change.after)
        except BaseException as error:
            for change in reversed(done):
                with suppress(Unreachable):
                    _put(self.folder / change.path, change.before)
            if isinstance(error, Unreachable):
                raise Unreachable(f"{error}; nothing changed") from None
            raise


def read(folder: Path, path: str) -> str | None:
    """The text of a file of the project; None when it is not there.

    Raises:
        ConfigurationError: It is no text, or cannot be read.
    """
    try:
        return (folder / path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is no text in UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None


def tree(root: str, paths: Sequence[str]) -> list[str]:
    """The lines of a drawing of *paths*, files below *root*."""
    drawn = [f"{root}/"]
    shown: set[str] = set()
    for path in sorted(paths, key=lambda each: each.split("/")):
        *folders, name = path.split("/")
        for depth in range(len(folders)):
            above = "/".join(folders[: depth + 1])
            if above not in shown:
                shown.add(above)
                drawn.append(f"{'  ' * (depth + 1)}{folders[depth]}/")
        drawn.append(f"{'  ' * (len(folders) + 1)}{name}")
    return drawn


def _put(path: Path, text: str | None) -> None:
    """Have *path* hold *text*; None removes it, and the folder that is left empty."""
    if text is not None:
        put(path, text)
        return
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Unreachable(f"cannot remove {path}: {error.strerror}") from None
    with suppress(OSError):
        path.parent.rmdir()
