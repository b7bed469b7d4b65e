"""An event as gRPC carries it: the envelope's attributes as fields, the rest as extensions."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import orjson
from dapr.proto.runtime.v1 import appcallback_pb2, pubsub_pb2

from ..events.envelope import EVENT_TYPE
from .envelopes import BINARY, CLOUD_EVENT, JSON, media_type
from .feed import Handed

_FIELDS = frozenset(
    {"id", "source", "type", "specversion", "datacontenttype", "data", "data_base64"}
)
"""What has a field of its own; everything else is an extension, as Dapr has it."""


def as_response(event: Handed, pubsub: str, topic: str) -> Any:
    """*event* for a streaming subscription."""
    return pubsub_pb2.SubscribeTopicEventsResponseAlpha1(
        event_message=_request(event, pubsub, topic)
    )


def _request(event: Handed, pubsub: str, topic: str) -> Any:
    envelope = event.envelope
    if envelope is None:
        return appcallback_pb2.TopicEventRequest(
            type=EVENT_TYPE, spec_version="1.0", data_content_type=BINARY,
            data=event.delivery.body, topic=topic, pubsub_name=pubsub,
        )  # fmt: skip
    request = appcallback_pb2.TopicEventRequest(
        id=event.id, source=_text(envelope, "source"), type=_text(envelope, "type"),
        spec_version=_text(envelope, "specversion"),
        data_content_type=_text(envelope, "datacontenttype"),
        data=_data(envelope), topic=topic, pubsub_name=pubsub,
    )  # fmt: skip
    extensions = {name: envelope[name] for name in envelope.keys() - _FIELDS}
    if extensions:
        request.extensions.update(extensions)
    return request


def _data(envelope: Mapping[str, Any]) -> bytes:
    encoded, data = envelope.get("data_base64"), envelope.get("data")
    if isinstance(encoded, str):
        try:
            return b64decode(encoded)
        except ValueError:  # the publisher's own envelope: handed on as it is
            return encoded.encode()
    if data is None:
        return b""
    media = media_type(_text(envelope, "datacontenttype"))
    if isinstance(data, str) and media not in (JSON, CLOUD_EVENT):
        return data.encode()
    return orjson.dumps(data)


def _text(envelope: Mapping[str, Any], name: str) -> str:
    given = envelope.get(name)
    return given if isinstance(given, str) else ""
