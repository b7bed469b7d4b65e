"""Notices that a project's code or its file has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

from ..config.project_file import FILE
from ..core.worker import BaseWorker


class Watcher(BaseWorker):
    """Tells *changed* which files below *folder* were written, in batches, on its own thread.

    Only Python files and the project file count, outside of *data* and of
    environments that lie in the folder.
    """

    def __init__(self, folder: Path, data: Path, changed: Callable[[Sequence[Path]], None]) -> None:
        super().__init__("watcher")
        self.folder = folder
        self._filter = _SourceFilter(ignore_paths=[data.resolve()])
        self._changed = changed

    def work(self) -> None:
        """Watch until stopped."""
        batches = watch(
            self.folder.resolve(),
            watch_filter=self._filter,
            stop_event=self.stopping,
            debounce=400,
            raise_interrupt=False,
        )
        for batch in batches:
            self._changed(sorted({Path(path) for _, path in batch}))


class _SourceFilter(DefaultFilter):
    ignore_dirs = (*DefaultFilter.ignore_dirs, "venv", "env", "site-packages", ".ruff_cache")

    def __call__(self, change: Change, path: str) -> bool:
        return (path.endswith(".py") or Path(path).name == FILE) and super().__call__(change, path)
