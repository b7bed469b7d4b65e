"""A service's cache: JSON under short names, for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from .state import State


class Cache:
    """What the processes of *service* share for a while; on Redis, else in a file of the project.

    It is no database: what is in it may be gone at any time, and nothing of it
    is part of a transaction.
    """

    def __init__(self, service: str, state: Callable[[], State]) -> None:
        self._prefix = f"{service}:"
        self._state = state

    def get(self, key: str) -> Any:
        """The value of *key*; None when it has none.

        Raises:
            StorageError: The store does not answer.
        """
        return self.get_many([key]).get(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """The values of those *keys* that have one, in one round trip; raises as `get`."""
        found = self._state().cached([self._prefix + key for key in keys])
        return {key.removeprefix(self._prefix): orjson.loads(v) for key, v in found.items()}

    def put_many(self, values: Mapping[str, Any], seconds: float) -> None:
        """Keep JSON *values* for *seconds*, in one round trip; raises as `get`."""
        if values:
            texts = {self._prefix + key: orjson.dumps(value) for key, value in values.items()}
            self._state().cache(texts, seconds)
