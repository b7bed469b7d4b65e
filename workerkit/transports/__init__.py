"""Adapters of `events.transport`; which one is chosen once, by `open_transport`."""

from __future__ import annotations

from pathlib import Path

from ..events.transport import Broker
from .sqlite import SqliteTransport

__all__ = ["open_transport"]


def open_transport(redis_url: str | None, data_folder: Path, lease: float = 30.0) -> Broker:
    """Redis Streams at *redis_url*, else the embedded broker; *lease* in seconds.

    Raises:
        ConfigurationError: The URL cannot be read.
        StorageError: The embedded broker's file cannot be opened.
    """
    if redis_url is None:
        return SqliteTransport(data_folder / "broker.db", lease)
    from .redis_streams import RedisStreamsTransport  # noqa: PLC0415

    return RedisStreamsTransport(redis_url, lease)
