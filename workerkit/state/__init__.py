"""Adapters of `core.state`; which one is chosen once, by `open_state`."""

from __future__ import annotations

from pathlib import Path

from ..core.state import State
from .sqlite import SqliteState

__all__ = ["open_state"]


def open_state(redis_url: str | None, data_folder: Path) -> State:
    """State on the Redis server at *redis_url*, else in a file of *data_folder*.

    Raises:
        ConfigurationError: The URL cannot be read.
    """
    if redis_url is None:
        return SqliteState(data_folder / "state.db")
    from .redis import RedisState  # noqa: PLC0415

    return RedisState(redis_url)
