"""Whether an open file is still the one that its name leads to."""

from __future__ import annotations

from pathlib import Path

from ..errors import StorageError


class SameFile:
    """Remembers which file *path* was; SQLite goes on writing to one that was deleted."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Costs one stat.

        Raises:
            StorageError: The file is gone, or another one is in its place.
        """
        try:
            found = self.path.stat()
        except OSError:
            if self._identity is None:
                return
            raise StorageError(f"{self.what} {self.path}: the file is gone") from None
        identity = (found.st_dev, found.st_ino)
        if self._identity is None:
            self._identity = identity
        elif identity != self._identity:
            raise StorageError(f"{self.what} {self.path}: another file is in its place; restart")
