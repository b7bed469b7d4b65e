"""Adapters of `events.transport`; which one is chosen once, by `open_transport`."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigurationError
from ..events.transport import Broker
from .sqlite import SqliteTransport

__all__ = ["open_transport"]


def open_transport(kind: str, data_folder: Path, lease: float = 30.0) -> Broker:
    """The transport that `workerkit.toml` names; *lease* in seconds.

    Raises:
        ConfigurationError: There is no such kind.
        StorageError: Its file cannot be opened.
    """
    if kind == "sqlite":
        return SqliteTransport(data_folder / "broker.db", lease)
    raise ConfigurationError(f"there is no transport {kind!r}; there is: sqlite")
