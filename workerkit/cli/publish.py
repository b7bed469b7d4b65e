"""`workerkit publish`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import orjson

from ..config.settings import read_environment
from ..errors import ConfigurationError
from ..events.envelope import Event, encode
from ..events.transport import Message
from ..project import Project


def publish_events(folder: Path, topic: str, data: str, event_id: str | None, count: int) -> str:
    """Publish *count* events with the same data; return the line that tells so.

    Raises:
        ConfigurationError: The data cannot be read or is not JSON, or one id for many events.
    """
    if event_id and count > 1:
        raise ConfigurationError("--id with --count: only one event can have an id; drop one")
    payload = _read(data)
    project = Project.open(folder, read_environment())
    try:
        events = [Event(topic, payload, source="cli", time=time.time()) for _ in range(count)]
        if event_id:
            events[0].id = event_id
        for start in range(0, count, 1000):
            batch = events[start : start + 1000]
            project.transport.publish([Message(topic, encode(event)) for event in batch])
    finally:
        project.close()
    return f"published {count} to {topic}" + (f" with id {events[0].id}" if count == 1 else "")


def _read(data: str) -> object:
    try:
        if data == "-":
            text: str | bytes = sys.stdin.buffer.read()
        else:
            text = Path(data[1:]).read_bytes() if data.startswith("@") else data
        return orjson.loads(text)
    except OSError as error:
        raise ConfigurationError(f"--data {data}: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise ConfigurationError(f"--data is not JSON: {error}") from None
