"""What the sidecar stores: the envelope that Dapr's `pubsub.redis` writes for the same request.

Two answers differ from Dapr's on purpose. Text that is not UTF-8 is refused,
where Dapr replaces the bytes it cannot read; a `ttlInSeconds` that is no number
is refused, where Dapr ignores it.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson

from ..errors import ConfigurationError, InvalidPayload
from ..events.envelope import EVENT_TYPE

JSON = "application/json"
CLOUD_EVENT = "application/cloudevents+json"
BINARY = "application/octet-stream"
TEXT = "text/plain"

LONGEST_TTL = 2**31 - 1
"""Seconds, 68 years; far below the last date that can be written."""

_ATTRIBUTES = ("id", "source", "type", "subject", "traceid", "traceparent", "tracestate")
_NAMES = {
    name.lower(): name
    for name in ("rawPayload", "ttlInSeconds", *(f"cloudevent.{a}" for a in _ATTRIBUTES))
}
_STRINGS = ("id", "source", "specversion", "type", "subject", "time", "datacontenttype")
_FLAGS = {
    **dict.fromkeys(("1", "t", "T", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "f", "F", "false", "False", "FALSE"), False),
}
"""What Go's `strconv.ParseBool` takes."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request's metadata asks for; `ttl` in seconds, `attributes` override the envelope."""

    raw: bool = False
    ttl: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Publication:
    """What is known of an event beside its body; `content_type` is the header as it was sent."""

    topic: str
    pubsub: str
    source: str
    content_type: str = ""
    traceparent: str = ""
    tracestate: str = ""
    options: Options = Options()


def media_type(content_type: str) -> str:
    """The media type without its parameters, in lower case; none at all is plain text."""
    return content_type.partition(";")[0].strip().lower() or TEXT


def read_options(pairs: Iterable[tuple[str, str]], base: Options | None = None) -> Options:
    """Options from metadata *pairs*, over those of *base*; names that mean nothing here pass.

    Raises:
        ConfigurationError: One given twice, or a value that does not fit.
    """
    found: dict[str, str] = {}
    for given, value in pairs:
        name = _NAMES.get(given.lower())
        if name in found:
            raise ConfigurationError(f"metadata {name} is given twice; give it once")
        if name is not None:
            found[name] = value
    base = base or Options()
    attributes = {
        name.removeprefix("cloudevent."): value
        for name, value in found.items()
        if value and name.startswith("cloudevent.")
    }
    return Options(
        raw=_flag(found["rawPayload"]) if "rawPayload" in found else base.raw,
        ttl=_ttl(found["ttlInSeconds"]) if "ttlInSeconds" in found else base.ttl,
        attributes={**base.attributes, **attributes},
    )


def wrap(body: bytes, about: Publication, now: float) -> bytes:
    """The bytes to store for *body*, sent at *now* (epoch seconds); a raw payload is its own.

    Raises:
        InvalidPayload: Not UTF-8, nested too deeply, or a CloudEvent that is none.
    """
    options = about.options
    if options.raw:
        return body
    if media_type(about.content_type) == CLOUD_EVENT:
        envelope = _cloud_event(body)
    else:
        envelope = _data(body, about.content_type or TEXT)
    for name, value in _missing(about, now).items():
        if envelope.get(name) in (None, ""):
            envelope[name] = value
    trace = options.attributes.get("traceparent") or about.traceparent
    if trace:
        envelope |= {"traceid": trace, "traceparent": trace}
    if about.tracestate:
        envelope["tracestate"] = about.tracestate
    envelope |= options.attributes
    envelope |= {"topic": about.topic, "pubsubname": about.pubsub}
    if options.ttl is not None:
        envelope["expiration"] = _seconds(math.ceil(now + options.ttl))
    try:
        return orjson.dumps(envelope, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise _too_deep(error) from None


def _missing(about: Publication, now: float) -> dict[str, str]:
    return {
        "id": str(uuid4()),
        "source": about.source,
        "specversion": "1.0",
        "time": _seconds(int(now)),
        "traceid": "",
        "traceparent": "",
        "tracestate": "",
        "type": EVENT_TYPE,
    }


def _data(body: bytes, content_type: str) -> dict[str, Any]:
    media = media_type(content_type)
    known = {"datacontenttype": content_type}
    if media == BINARY:
        return {**known, "data_base64": b64encode(body).decode()}
    if media == JSON:
        with suppress(orjson.JSONDecodeError):
            return {**known, "data": _load(body)}
    return {**known, "data": _text(body)}


def _cloud_event(body: bytes) -> dict[str, Any]:
    try:
        sent = _load(body)
    except orjson.JSONDecodeError as error:
        raise InvalidPayload(f"the cloud event is not JSON: {error}") from None
    if not isinstance(sent, dict):
        raise InvalidPayload(f"the cloud event is a {type(sent).__name__}, must be an object")
    for name in _STRINGS:
        if not isinstance(sent.get(name), str | None):
            raise InvalidPayload(f"the cloud event's {name} is {sent[name]!r}, must be a string")
    if "data" in sent and not sent.get("datacontenttype"):
        sent["datacontenttype"] = JSON
    return sent


def _load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # It parses no deeper than 1024 levels, and has one class for all its errors.
        if any(word in str(error).lower() for word in ("depth", "recursion")):
            raise _too_deep(error) from None
        raise


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise InvalidPayload(
            f"the body is not UTF-8 at byte {error.start}: send it with content type {BINARY}"
        ) from None


def _too_deep(error: Exception) -> InvalidPayload:
    return InvalidPayload(f"the body is nested too deeply, 250 levels are safe: {error}")


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise ConfigurationError(f"metadata rawPayload is {text!r}, must be true or false")
    return _FLAGS[text]


def _ttl(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    if not 1 <= seconds <= LONGEST_TTL:
        raise ConfigurationError(
            f"metadata ttlInSeconds is {text!r}, must be a whole number from 1 to {LONGEST_TTL}"
        )
    return seconds


def _seconds(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
