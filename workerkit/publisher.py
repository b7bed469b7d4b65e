"""Publishing by hand: what to send, to whom it goes, at which pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .core.loading import unknown
from .core.user_code import where_it_failed
from .errors import ConfigurationError, InvalidPayload, WorkerkitError
from .events.envelope import Event, encode
from .events.example import example_payload
from .events.transport import Message
from .events.worker import EventWorker, PayloadReader, payload_type, worker_name
from .project import Project

SOURCE = "cli"
"""The envelope's source; with the id it is what an inbox knows an event by."""

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What is about to be published.

    `consumers` are those that must settle each event (`service/worker`);
    `example` tells that the data were made up; `warnings` are full sentences.
    """

    topic: str
    data: Any
    example: bool
    consumers: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """One published event; `at` in epoch seconds."""

    id: str
    at: float


@dataclass(frozen=True, slots=True)
class Published:
    """What went out; `seconds` is how long it took."""

    topic: str
    data: Any
    example: bool
    wanted: int
    sent: tuple[Sent, ...]
    seconds: float
    interrupted: bool
    warnings: tuple[str, ...]


_NOTHING = object()


def plan(project: Project, topic: str, data: Any = _NOTHING, *, force: bool = False) -> Plan:
    """Look at who listens to *topic* and whether *data* fits; without data, make an example.

    Raises:
        ConfigurationError: *topic* is nearly a known one (unless *force*), or
            no data were given and no example can be made.
    """
    workers, warnings = event_workers(project)
    listening = [(name, worker) for name, worker in workers if worker.topic == topic]
    if not listening:
        known = {worker.topic for _, worker in workers}
        warnings.append(_unheard(topic, known, set(project.transport.topics()), force))
    example = data is _NOTHING
    if example:
        data = _example(topic, listening)
    for name, worker in listening:
        try:
            PayloadReader(worker).read(data)
        except InvalidPayload as error:
            warnings.append(
                f"{name}/{worker_name(worker)} will refuse this payload (dead letter): {error}"
            )
    consumers = tuple(f"{name}/{worker_name(worker)}" for name, worker in listening)
    return Plan(topic, data, example, consumers, tuple(warnings))


def publish(
    project: Project,
    planned: Plan,
    *,
    count: int = 1,
    id: str | None = None,
    rate: float | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], object] = lambda sent: None,
) -> Published:
    """Publish *count* events with the same data.

    With *rate* (events/s) each event has its own due time from the start on
    and goes out then, however long earlier ones took (an open model). *stop*
    ends it between two batches; `sent` holds exactly what went out.

    Raises:
        ConfigurationError: One id for many events.
        StorageError: The broker does not answer.
    """
    if id and count > 1:
        raise ConfigurationError("--id with --count: only one event can have an id; drop one")
    stop = stop or threading.Event()
    began = time.monotonic()
    sent: list[Sent] = []
    while len(sent) < count and not stop.is_set():
        due = count
        if rate is not None:
            elapsed = time.monotonic() - began
            due = min(count, int(elapsed * rate) + 1)
            if due == len(sent):
                stop.wait(max(0.0, due / rate - elapsed))
                continue
        events = [
            Event(planned.topic, planned.data, source=SOURCE, time=time.time())
            for _ in range(min(BATCH, due - len(sent)))
        ]
        if id:
            events[0].id = id
        project.transport.publish([Message(event.topic, encode(event)) for event in events])
        sent += [Sent(event.id, event.time) for event in events]
        progress(len(sent))
    return Published(
        planned.topic, planned.data, planned.example, count, tuple(sent),
        time.monotonic() - began, len(sent) < count, planned.warnings,
    )  # fmt: skip


def near_miss(name: str, known: set[str]) -> str | None:
    """The known name that *name* is a slip of: one or two letters wrong, missing or swapped."""
    allowed = 1 if len(name) < 8 else 2
    return min(
        (other for other in known if other != name and distance(name, other) <= allowed),
        key=lambda other: (distance(name, other), other),
        default=None,
    )


def distance(one: str, other: str) -> int:
    """Edits between two names; a swap of neighbours is one (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def event_workers(project: Project) -> tuple[list[tuple[str, EventWorker[Any]]], list[str]]:
    """Every worker with its service, and a sentence for each service that cannot be wired.

    One service's broken file must not stop who looks at, or publishes for, the others.
    """
    workers: list[tuple[str, EventWorker[Any]]] = []
    warnings = []
    for name in project.file.services:
        try:
            workers += [(name, worker) for worker in project.service(name).events]
        except Exception as error:
            ours = isinstance(error, WorkerkitError)
            text = str(error) if ours else where_it_failed(error, project.folder)
            warnings.append(f"service {name!r} cannot be wired, its workers are unknown: {text}")
    return workers, warnings


def _unheard(topic: str, subscribed: set[str], kept: set[str], force: bool) -> str:
    """The warning for a topic without a subscriber; refuses one that is a slip."""
    meant = near_miss(topic, subscribed | kept) if topic not in kept else None
    if meant and not force:
        raise ConfigurationError(
            f"no topic {topic!r}; did you mean {meant!r}? --force publishes to {topic!r} anyway"
        )
    said = unknown("topic", topic, subscribed).partition(";")[2].partition(" There is")[0]
    there = ", ".join(sorted(subscribed)) or "none"
    return f"nobody in this project listens to {topic!r}{';' if said else ''}{said} " + (
        f"(subscribed topics: {there})"
    )


def _example(topic: str, listening: list[tuple[str, EventWorker[Any]]]) -> Any:
    if not listening:
        raise ConfigurationError(f"nobody listens to {topic!r}, so nothing fits: give --data")
    problems = []
    for _, worker in listening:
        try:
            return example_payload(payload_type(type(worker)))
        except ConfigurationError as error:
            problems.append(str(error))
    raise ConfigurationError(f"{problems[0]}; give --data")
