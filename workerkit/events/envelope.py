"""CloudEvents 1.0 in JSON, as Dapr's `pubsub.redis` writes it (keys sorted)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, uuid4

import orjson
from pydantic import BaseModel

from ..core.trace import trace_id
from ..errors import InvalidPayload

EVENT_TYPE = "com.dapr.event.sent"
"""The `type` that Dapr gives to events whose publisher names none."""


@dataclass(slots=True)
class Event:
    """One CloudEvent. `data` is parsed JSON, a string, or bytes; `time` in epoch seconds."""

    topic: str
    data: Any
    id: str = field(default_factory=lambda: str(uuid4()))
    source: str = ""
    type: str = EVENT_TYPE
    time: float = 0.0
    expires: float | None = None
    traceparent: str = ""
    extensions: dict[str, Any] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        """The 32 hex digits of its trace, see `core.trace`."""
        return trace_id(self.traceparent, self.id)


_NAMESPACE = NAMESPACE_URL.bytes

_KNOWN = {
    "data", "data_base64", "datacontenttype", "id", "pubsubname", "source", "specversion",
    "time", "topic", "traceid", "traceparent", "tracestate", "type", "expiration",
}  # fmt: skip


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds: what `moment` reads back."""
    return _timestamp(int(seconds * 1000))


@lru_cache(maxsize=64)
def _timestamp(milliseconds: int) -> str:
    """The follow-ups of a batch share one moment; formatting it anew costs 4 µs an event."""
    moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def moment(text: object) -> float | None:
    """Epoch seconds of an RFC 3339 time; None when it is missing or unreadable."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def derived_id(cause: str, topic: str, position: int) -> str:
    """Id of follow-up number *position*: the same cause yields the same id on every attempt.

    A version 5 UUID (RFC 9562, 5.5) in the URL namespace.
    """
    name = f"{cause}/{topic}/{position}".encode("utf-8", "surrogatepass")
    digits = sha1(_NAMESPACE + name).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


MOST_FOLLOW_UPS = 20
"""Follow-ups of one event on one topic that are looked for."""


def cause_of(consumer: str, source: str, id: str) -> str:
    """What *consumer*'s handling of event *id* of *source* is known by, on every attempt."""
    return f"{consumer}/{source}/{id}"


def follow_up_ids(cause: str, topics: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Topic and id of everything that may have been published because of *cause*."""
    for topic in topics:
        for position in range(MOST_FOLLOW_UPS):
            yield topic, derived_id(cause, topic, position)


def jsonable(data: Any) -> Any:
    """Turn a pydantic model into what its JSON holds (by alias); leave the rest alone."""
    return data.model_dump(mode="json", by_alias=True) if isinstance(data, BaseModel) else data


def encode(event: Event, *, pubsub: str = "pubsub") -> bytes:
    """The envelope as JSON bytes.

    Raises:
        InvalidPayload: The data is not JSON, e.g. an open file, or the topic is no name.
    """
    if not event.topic or not isinstance(event.topic, str):
        raise InvalidPayload(f"the topic is {event.topic!r}, must be a name")
    envelope = {
        "data": jsonable(event.data),
        "datacontenttype": "application/json",
        "id": event.id,
        "pubsubname": pubsub,
        "source": event.source,
        "specversion": "1.0",
        "time": timestamp(event.time),
        "topic": event.topic,
        "traceid": event.traceparent,
        "traceparent": event.traceparent,
        "tracestate": "",
        "type": event.type,
    }
    if event.expires is not None:
        envelope["expiration"] = timestamp(event.expires)
    if event.extensions:
        envelope = {**event.extensions, **envelope}
    try:
        return orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise InvalidPayload(f"the data of {event.topic} is not JSON: {error}") from error


def decode(body: bytes, topic: str, entry: str) -> Event:
    """Read an envelope; a missing id becomes *entry*, a missing topic *topic*.

    Raises:
        InvalidPayload: Not JSON, not an object, or an id that is no string.
    """
    envelope = _object(body)
    get = envelope.get
    event_id = get("id") or entry
    source = get("source") or ""
    if not isinstance(event_id, str) or not isinstance(source, str):
        raise InvalidPayload("the envelope's id and source must be strings")
    expiration = get("expiration")
    traceparent = get("traceparent") or get("traceid") or ""
    return Event(
        topic=topic,
        data=envelope["data"] if "data" in envelope else get("data_base64"),
        id=event_id,
        source=source,
        type=str(get("type") or EVENT_TYPE),
        time=moment(get("time")) or 0.0,
        expires=moment(expiration) if expiration else None,
        traceparent=traceparent if isinstance(traceparent, str) else "",
        extensions={}
        if envelope.keys() <= _KNOWN
        else {key: envelope[key] for key in envelope.keys() - _KNOWN},
    )


def with_data(body: bytes, data: Any) -> bytes:
    """The envelope *body* with other data, and all else as it is.

    Raises:
        InvalidPayload: *body* is no JSON object.
    """
    envelope = _object(body)
    envelope.pop("data_base64", None)
    return orjson.dumps({**envelope, "data": data}, option=orjson.OPT_SORT_KEYS)


def _object(body: bytes) -> dict[str, Any]:
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidPayload(f"the envelope is not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise InvalidPayload(f"the envelope is a {type(envelope).__name__}, must be an object")
    return envelope
