"""State components: key and value with etags, in memory or on Redis as Dapr's `state.redis`."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..connections.redis import RedisServer
from ..core.clock import Clock, SystemClock
from .refusal import Refusal

FIRST_WRITE, LAST_WRITE = "first-write", "last-write"


@dataclass(frozen=True, slots=True)
class Found:
    """A value and the etag that names its version."""

    value: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Change:
    """Set *key* to *value*, or delete it where that is None; `ttl` in seconds.

    With an etag it happens only to that version, unless *concurrency* says
    that the last write wins. Once written with first-write, a key is only
    overwritten by who names its etag.
    """

    key: str
    value: bytes | None = None
    etag: str = ""
    concurrency: str = ""
    ttl: int | None = None

    @property
    def expected(self) -> str:
        """The version that it is for; "0" is any."""
        return "0" if self.concurrency == LAST_WRITE or not self.etag else self.etag


class Store(Protocol):
    """A named state component."""

    name: str
    type: str

    def get(self, keys: Sequence[str]) -> dict[str, Found]:
        """Values by key, without the keys that there are not.

        Raises:
            StorageError: No answer.
        """

    def change(self, changes: Sequence[Change]) -> None:
        """Make all of *changes*, or none.

        Raises:
            Refusal: An etag does not fit.
            StorageError: No answer; it may or may not have happened.
        """


def check_changes(changes: Sequence[Change]) -> None:
    """Refuse keys and etags that no version can have."""
    for change in changes:
        if not change.key or "||" in change.key:
            text = f"key {change.key!r} is empty or contains ||, which Dapr keeps for itself"
            raise Refusal(400, "ERR_MALFORMED_REQUEST", text, "INVALID_ARGUMENT")
        if not (change.expected.isascii() and change.expected.isdigit()):
            text = f"key {change.key}: etag {change.etag!r} is no number, as this store's are"
            raise Refusal(400, "ERR_STATE_SAVE", text, "INVALID_ARGUMENT")


def mismatch(key: str) -> Refusal:
    """Somebody else has changed *key*."""
    text = f"possible etag mismatch: key {key} has another version by now"
    return Refusal(409, "ERR_STATE_SAVE", text, "ABORTED")


@dataclass(slots=True)
class _Kept:
    value: bytes
    version: int
    first_write: bool
    until: float | None


class MemoryStore:
    """State that ends with the sidecar."""

    type = "state.in-memory"

    def __init__(self, name: str, clock: Clock | None = None) -> None:
        self.name = name
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def get(self, keys: Sequence[str]) -> dict[str, Found]:
        """Values by key."""
        with self._lock:
            kept = {key: found for key in keys if (found := self._alive(key))}
        return {key: Found(found.value, str(found.version)) for key, found in kept.items()}

    def change(self, changes: Sequence[Change]) -> None:
        """Make all of *changes*, or none."""
        check_changes(changes)
        with self._lock:
            for change in changes:
                if not self._fits(change):
                    raise mismatch(change.key)
            for change in changes:
                self._make(change)

    def _fits(self, change: Change) -> bool:
        before = self._alive(change.key)
        if before is None or change.expected == str(before.version):
            return True
        return change.expected == "0" and (change.value is None or not before.first_write)

    def _make(self, change: Change) -> None:
        before = self._alive(change.key)
        if change.value is None:
            self._kept.pop(change.key, None)
            return
        self._kept[change.key] = _Kept(
            change.value,
            before.version + 1 if before else 1,
            change.concurrency == FIRST_WRITE or bool(before and before.first_write),
            None if change.ttl is None else self._clock.time() + change.ttl,
        )

    def _alive(self, key: str) -> _Kept | None:
        found = self._kept.get(key)
        if found and found.until is not None and found.until <= self._clock.time():
            del self._kept[key]
            return None
        return found


_CHANGE = """
local function value(n, i) return ARGV[(n - 1) * 5 + i] end
for n = 1, #KEYS do
    local found = redis.call('HMGET', KEYS[n], 'version', 'first-write')
    local any = value(n, 2) == '0' and (value(n, 1) == 'delete' or not found[2])
    if found[1] and found[1] ~= value(n, 2) and not any then return n end
end
for n = 1, #KEYS do
    if value(n, 1) == 'delete' then
        redis.call('DEL', KEYS[n])
    else
        redis.call('HSET', KEYS[n], 'data', value(n, 3))
        redis.call('HINCRBY', KEYS[n], 'version', 1)
        if value(n, 4) == '1' then redis.call('HSET', KEYS[n], 'first-write', 0) end
        if value(n, 5) == '' then
            redis.call('PERSIST', KEYS[n])
        else
            redis.call('EXPIRE', KEYS[n], value(n, 5))
        end
    end
end
return 0
"""
"""Five arguments a key: what to do, expected version, data, first-write, seconds to live."""


class RedisStore:
    """Hashes with `data` and `version` below `APP||KEY`: what Dapr's `state.redis` keeps."""

    type = "state.redis"

    def __init__(self, name: str, url: str, app_id: str) -> None:
        self.name = name
        self._server = RedisServer(url)
        self._prefix = f"{app_id}||"
        self._change = self._server.client.register_script(_CHANGE)

    def get(self, keys: Sequence[str]) -> dict[str, Found]:
        """Values by key."""
        with self._server.guard() as redis, redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hmget(self._prefix + key, "data", "version")
            rows = pipeline.execute()
        return {
            key: Found(data, version.decode())
            for key, (data, version) in zip(keys, rows, strict=True)
            if data is not None and version is not None
        }

    def change(self, changes: Sequence[Change]) -> None:
        """Make all of *changes*, or none."""
        check_changes(changes)
        arguments: list[str | bytes | int] = []
        for change in changes:
            arguments += [
                "delete" if change.value is None else "set", change.expected, change.value or b"",
                int(change.concurrency == FIRST_WRITE), "" if change.ttl is None else change.ttl,
            ]  # fmt: skip
        with self._server.guard():
            wrong = self._change(keys=[self._prefix + each.key for each in changes], args=arguments)
        if wrong:
            raise mismatch(changes[wrong - 1].key)


class States:
    """The state components by name."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores: Mapping[str, Store] = {store.name: store for store in stores}

    def store(self, name: str) -> Store:
        """Component *name*.

        Raises:
            Refusal: There is none of that name.
        """
        if name in self.stores:
            return self.stores[name]
        there = ", ".join(sorted(self.stores)) or "none"
        text = f"state store {name} is not found. There is: {there}."
        raise Refusal(400, "ERR_STATE_STORE_NOT_FOUND", text, "INVALID_ARGUMENT")


def change_each(store: Store, changes: Sequence[Change]) -> None:
    """Make each of *changes* on its own, as Dapr does: one that is refused keeps no other back.

    Raises:
        Refusal: The last one that there was.
    """
    refused: Refusal | None = None
    for change in changes:
        try:
            store.change([change])
        except Refusal as error:
            refused = error
    if refused is not None:
        raise refused


def read_ttl(metadata: Mapping[str, str]) -> int | None:
    """`ttlInSeconds` of *metadata*; Dapr's -1 and nothing at all are no limit.

    Raises:
        Refusal: No whole number above 0.
    """
    text = metadata.get("ttlInSeconds", "-1")
    if text == "-1":
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**31):
        said = f"metadata ttlInSeconds is {text!r}, must be a whole number above 0"
        raise Refusal(400, "ERR_MALFORMED_REQUEST", said, "INVALID_ARGUMENT")
    return int(text)
