"""Which trace an event belongs to: W3C Trace Context, and a rule for events that have none.

https://www.w3.org/TR/trace-context/ : `traceparent` is version, trace id (32
hex digits), parent id (16), flags. Publishers such as `curl` write none; then
the trace id comes from the event's own id, so that everybody who sees the
event finds the same one and nobody has to write it down.
"""

from __future__ import annotations

import re
from hashlib import sha256

_W3C = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def trace_id(traceparent: str, event_id: str) -> str:
    """The 32 hex digits of the trace of an event; without *traceparent* from its id.

    Not the digits of a UUID themselves: samplers take a trace id for random, and
    two bits of those never change.
    """
    return traceparent[3:35] if _W3C.fullmatch(traceparent) else _digits(event_id, 32)


def parent_id(traceparent: str) -> str:
    """The 16 hex digits of the span that published an event; empty when nobody says."""
    return traceparent[36:52] if _W3C.fullmatch(traceparent) else ""


def publish_id(event_id: str) -> str:
    """The span of the publication of an event, 16 hex digits: the end of its UUID."""
    if _UUID.fullmatch(event_id):
        return event_id[19:23] + event_id[24:]
    return _digits(f"publish {event_id}", 16)


def sampled(traceparent: str) -> bool:
    """Whether who began the trace wants it kept; yes when nobody says."""
    return not _W3C.fullmatch(traceparent) or bool(int(traceparent[53:], 16) & 1)


def caused(traceparent: str, cause_id: str, event_id: str) -> str:
    """The `traceparent` of event *event_id*, which the handler of event *cause_id* publishes.

    The same on every attempt, as the ids are; *event_id* is a UUID.
    """
    span = event_id[19:23] + event_id[24:]  # `publish_id` without its doubts: 0.3 us of 1.4
    if traceparent and _W3C.fullmatch(traceparent):
        return f"{traceparent[:36]}{span}{traceparent[52:]}"
    return f"00-{_digits(cause_id, 32)}-{span}-01"


def handled(traceparent: str, event_id: str, consumer: str, attempt: int) -> str:
    """The `traceparent` of what a handler does itself: within it, its own span is the parent."""
    span = _digits(f"handle {consumer}/{event_id}/{attempt}", 16)
    flags = "01" if sampled(traceparent) else "00"
    return f"00-{trace_id(traceparent, event_id)}-{span}-{flags}"


def of_run(job: str, tick: float, token: int) -> str:
    """The `traceparent` of what one run of a job publishes; its parent is the run's own span."""
    digits = _digits(f"{job}/{tick}/{token}", 48)
    return f"00-{digits[:32]}-{digits[32:]}-01"


def _digits(text: str, count: int) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:count]
