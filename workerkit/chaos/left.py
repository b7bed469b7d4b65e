"""The folders of chaos runs; and what is left of one that was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.owner import is_gone, this_process
from ..errors import StartStopError, WorkerkitError
from .containers import remove_left

PREFIX = "workerkit-chaos-"

OWNER, KEPT = "owner", "kept"
"""Files in such a folder: who made it, and that a person wants to read the log in it."""

LOG_KEPT = 86400.0
"""Seconds that a folder stays whose processes did not start."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder; it stays when a process did not start, for its log is wanted then."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / OWNER).write_text(this_process())
    try:
        yield folder
    except StartStopError:
        (folder / KEPT).touch()
        raise
    finally:
        if not (folder / KEPT).exists():
            shutil.rmtree(folder, ignore_errors=True)


def clean_up() -> list[Path]:
    """Remove the folders of runs that were killed; which they were.

    Their processes have ended with them, but for containers that were paused.
    What they had on servers goes when the next run makes a database there.
    """
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(folder) and _has_no_container(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _has_no_container(folder: Path) -> bool:
    """After removing those that are left; without an engine they wait for the next time."""
    try:
        remove_left(folder)
    except WorkerkitError:
        return False
    return True


def _is_left(folder: Path) -> bool:
    with suppress(OSError):
        if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
            return False
        if (folder / KEPT).exists():
            return time.time() - (folder / KEPT).stat().st_mtime > LOG_KEPT
        return is_gone((folder / OWNER).read_text())
    return False
