"""One holder at a time, told by its process id."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import StartStopError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BEYOND = 1 << 20
"""Windows keeps others from reading what is locked, so we lock far behind the text."""


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file *path* for the length of the block; it ends with this process.

    Raises:
        StartStopError: Somebody holds it; says *what* runs already, and as which process.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise StartStopError(f"cannot write {path}: {error.strerror}") from None
    with file:
        if not _take(file):
            file.seek(0)
            pid = file.read(20).decode("ascii", "replace").strip() or "unknown"
            raise StartStopError(f"{what} runs already as pid {pid}: end that process first")
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        yield


def _take(file: BinaryIO) -> bool:
    with suppress(OSError):
        if sys.platform == "win32":
            file.seek(_BEYOND)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
