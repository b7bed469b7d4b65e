"""Adapters of `events.transport`; which one is chosen once, by `open_transport`."""

from __future__ import annotations

from pathlib import Path

from ..events.transport import Broker
from .dapr import DaprOptions, DaprTransport
from .sqlite import SqliteTransport

__all__ = ["open_dapr", "open_transport"]


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


def open_dapr(
    options: DaprOptions, redis_url: str | None, data_folder: Path, lease: float = 30.0
) -> DaprTransport:
    """By way of a Dapr sidecar; what it hands out is held for *lease* seconds.

    Where the sidecar keeps its events in Redis at *redis_url*, or is the local one
    of the same project, they can be looked at there.
    """

    def beneath() -> Broker | None:
        if redis_url is None and not (data_folder / "broker.db").exists():
            return None
        return open_transport(redis_url, data_folder, lease)

    return DaprTransport(options, lease, beneath, hands=data_folder / "dapr")
