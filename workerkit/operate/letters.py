"""Dead letters and parked events of a whole project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, InvalidPayload
from ..events.envelope import decode
from ..events.store import ParkedEvent
from ..storage import dead_letters
from ..storage.database import Database
from ..storage.inspection import count_letters, latest_dead, letter_ids, table_version

SHORTEST = 6
"""Characters of an id that a prefix needs."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One event that one consumer did not settle. Times in epoch seconds.

    `due` is when a parked event is tried next; None for a dead letter.
    """

    service: str
    consumer: str
    id: str
    source: str
    topic: str
    dead: bool
    attempts: int
    error: str
    traceback: str
    published: float
    due: float | None
    data: Any


@dataclass(frozen=True, slots=True)
class Listing:
    """Some of *total* dead letters, or of the parked events."""

    parked: bool
    total: int
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What `replay` or `drop` did; `ids` in full, `letters` counts one for each consumer."""

    action: str
    letters: int
    corrected: int
    ids: tuple[str, ...]


def list_letters(databases: Mapping[str, Database], *, parked: bool, limit: int) -> Listing:
    """Up to *limit* dead letters, the latest first; with *parked* those that wait, the next first.

    Raises:
        StorageError: A database cannot be read.
    """
    found: list[Letter] = []
    total = 0
    for name, database in _used(databases).items():
        total += count_letters(database, dead=not parked)
        events = (
            dead_letters.list_parked(database, dead=False, limit=limit)
            if parked
            else latest_dead(database, limit)
        )
        found += [_letter(name, event) for event in events]
    found.sort(key=lambda letter: letter.due or -letter.published)
    return Listing(parked, total, tuple(found[:limit]))


def show_letters(databases: Mapping[str, Database], id: str) -> tuple[Letter, ...]:
    """The event that *id* or a unique prefix names, one for each consumer that failed on it.

    Raises:
        ConfigurationError: No such id, too short a prefix, or one that fits several.
    """
    return find_letters(databases, resolve(databases, [id])[0])


def find_letters(databases: Mapping[str, Database], id: str) -> tuple[Letter, ...]:
    """The event with exactly this *id*, one for each consumer that failed on it; may be none."""
    return tuple(
        _letter(name, event)
        for name, database in _used(databases).items()
        for event in dead_letters.find(database, id)
    )


def replay(
    databases: Mapping[str, Database], ids: Sequence[str], *, every: bool, correction: Any = None
) -> Changed:
    """Run letters again now; *every* means all dead letters, *correction* replaces their data.

    Raises:
        ConfigurationError: An id names nothing, several or a mix with *every*; nothing was done.
    """
    if every == bool(ids):
        raise ConfigurationError("replay needs ids, or --all for every dead letter")
    if every and correction is not None:
        raise ConfigurationError("--data with --all would give every dead letter the same data")
    full = resolve(databases, ids)
    corrected = replayed = 0
    for database in _used(databases).values():
        if correction is not None:
            corrected += sum(dead_letters.correct(database, id, correction) for id in full)
        replayed += dead_letters.replay(database, None if every else full)
    return Changed("replay", replayed, corrected, tuple(full))


def drop(databases: Mapping[str, Database], ids: Sequence[str]) -> Changed:
    """Give letters up for good.

    Raises:
        ConfigurationError: An id names nothing or several; nothing was dropped.
    """
    full = resolve(databases, ids)
    dropped = sum(dead_letters.drop(database, full) for database in _used(databases).values())
    return Changed("drop", dropped, 0, tuple(full))


def resolve(databases: Mapping[str, Database], ids: Sequence[str]) -> list[str]:
    """The full ids that *ids* name, each once.

    Raises:
        ConfigurationError: See `show_letters`.
    """
    used = _used(databases)
    return list(dict.fromkeys(_resolve_one(used, id.removesuffix("…")) for id in ids))


def _resolve_one(databases: Mapping[str, Database], id: str) -> str:
    found = sorted({full for db in databases.values() for full in letter_ids(db, id)})
    if id in found:
        return id
    if len(found) == 1 and len(id) >= SHORTEST:
        return found[0]
    if not found:
        raise ConfigurationError(
            f"no dead letter or parked event {id!r}; see `workerkit dlq list` (and --parked)"
        )
    if len(id) < SHORTEST:
        raise ConfigurationError(
            f"{id!r} is no full id, and a prefix needs {SHORTEST} characters or more"
        )
    names = ", ".join(found[:5]) + (" ..." if len(found) > 5 else "")
    raise ConfigurationError(f"{id!r} fits {len(found)} ids: {names}; write more of it")


def short_ids(letters: Sequence[Letter], least: int = 8) -> dict[str, str]:
    """For each full id the shortest prefix that tells it from the others of *letters*."""
    full = sorted({letter.id for letter in letters})
    short: dict[str, str] = {}
    for position, id in enumerate(full):
        neighbours = full[max(0, position - 1) : position] + full[position + 1 : position + 2]
        common = max((_common(id, other) for other in neighbours), default=0)
        short[id] = id[: max(least, common + 1)]
    return short


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _used(databases: Mapping[str, Database]) -> dict[str, Database]:
    """One entry a database that has our tables: services may share one."""
    seen: set[str] = set()
    used: dict[str, Database] = {}
    for name, database in databases.items():
        url = database.url.render_as_string(hide_password=False)
        if url not in seen and table_version(database):
            seen.add(url)
            used[name] = database
    return used


def _letter(service: str, event: ParkedEvent) -> Letter:
    try:
        data = decode(event.body, event.topic, event.id).data
    except InvalidPayload:
        data = event.body.decode("utf-8", "replace")
    return Letter(
        service=event.consumer.partition("/")[0] or service,
        consumer=event.consumer,
        id=event.id,
        source=event.source,
        topic=event.topic,
        dead=event.dead,
        attempts=event.attempts,
        error=event.error,
        traceback=event.traceback,
        published=event.published,
        due=None if event.dead else event.due,
        data=data,
    )
