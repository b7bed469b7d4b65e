"""Puts a file in place: who reads it sees what was there before, or all that is there now."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigurationError, Unreachable


def put(path: Path, content: str | bytes) -> Path:
    """Have *path* hold *content*, text as UTF-8; folders above it are made. Returns *path*.

    A file that is there keeps its mode. Whoever is killed meanwhile leaves the old content.

    Raises:
        Unreachable: The disk is full, or the folder cannot be written; nothing was changed.
    """
    # Beside it: a rename within one folder is all or nothing.
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(content.encode() if isinstance(content, str) else content)
            if path.exists():
                beside.chmod(path.stat().st_mode)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Unreachable(f"cannot write {path}: {error.strerror}") from None
    return path


def put_new(path: Path, content: str | bytes) -> Path:
    """The same for a file that people go on to edit: one that is there stays as it is.

    Raises:
        ConfigurationError: It is there already.
        Unreachable: As of `put`.
    """
    if path.exists():
        raise ConfigurationError(f"{path} is there already: edit it")
    return put(path, content)
