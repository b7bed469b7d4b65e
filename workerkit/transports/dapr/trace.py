"""Trace context by way of Dapr, which writes that of the request over that of each event in it.

One request for each trace would be one for each event. So an event carries its
own once more in an extension attribute (CloudEvents 1.0, 3.1), which Dapr keeps.
"""

from __future__ import annotations

from typing import Any

import orjson

EXTENSION = "workerkittrace"


def carry(body: bytes, trace: str) -> bytes:
    """The envelope *body* with *trace* in our attribute, too."""
    attribute = orjson.dumps({EXTENSION: trace})
    return body.rstrip()[:-1] + b"," + attribute[1:]


def restore(envelope: dict[str, Any]) -> None:
    """Give *envelope* its own `traceparent` back, unless Dapr's is a later one of its trace."""
    own = envelope.pop(EXTENSION, None)
    if isinstance(own, str) and _trace_id(envelope.get("traceparent")) != _trace_id(own):
        envelope["traceparent"] = envelope["traceid"] = own


def _trace_id(traceparent: object) -> str:
    """The trace's id in a W3C `traceparent`: its second field."""
    return traceparent[3:35] if isinstance(traceparent, str) else ""
