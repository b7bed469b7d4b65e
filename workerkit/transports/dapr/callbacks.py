"""The port that a Dapr sidecar calls: what we subscribe to, and the events, in bulk.

An event's status is answered once its outcome is committed in our database,
and never before: applied, parked and dead letters alike are SUCCESS, since
nobody else must keep them. RETRY is only said of what we have not begun when we
stop, because Dapr acknowledges a failed event once its policy's retries run
out. For the same reason no event is ever answered with 404, which Dapr takes
as a wish to drop it, and one whose storage is in trouble is not answered at all.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import orjson

from .inbound import Inbound, Status

log = logging.getLogger("workerkit.dapr")

ROUTE = "/events/"
"""Where a topic's events are posted to: ROUTE and the topic."""

BULK = 100
"""Events of one request at most. Dapr fills it only if its component's `concurrency` allows."""

BULK_WAIT = 10
"""Milliseconds that Dapr may wait for a request to fill."""

BODY_LIMIT = BULK * 4 * 2**20
"""Bytes of a request: so many events as large as Dapr lets them be by default."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Callbacks:
    """An ASGI application for the topics of *inbounds*, of the component *pubsub*."""

    def __init__(self, pubsub: str, inbounds: Mapping[str, Inbound]) -> None:
        self.pubsub = pubsub
        self.inbounds = inbounds
        self.port = 0
        """Where they are served, once they are."""
        self.asked = threading.Event()
        """Set once the sidecar has asked what we subscribe to."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's own start and stop."""
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})
        elif scope["type"] == "http":
            status, answer = await self._answer(scope, receive)
            if status:
                await _send(send, status, answer)

    def drain(self, timeout: float) -> None:
        """Take no more events, and wait *timeout* seconds for those that are here."""
        end = time.monotonic() + timeout
        for inbound in list(self.inbounds.values()):
            inbound.drain(max(0.0, end - time.monotonic()))

    def subscriptions(self) -> list[dict[str, Any]]:
        """What `GET /dapr/subscribe` answers (Dapr's programmatic subscriptions)."""
        return [
            {
                "pubsubname": self.pubsub,
                "topic": topic,
                "route": ROUTE + quote(topic, safe=""),
                "bulkSubscribe": {
                    "enabled": True, "maxMessagesCount": BULK, "maxAwaitDurationMs": BULK_WAIT,
                },
                "deadLetterTopic": dead_letters(topic),
            }
            for topic in sorted(self.inbounds)
        ]  # fmt: skip

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, Any]:
        """Status and body; status 0 when nobody waits for them any more."""
        path = scope["path"]
        if scope["method"] in ("POST", "PUT"):
            inbound = self.inbounds.get(path.removeprefix(ROUTE)) if ROUTE in path else None
            if inbound is None:
                log.warning("events for no worker of ours", extra={"path": path})
                return 503, {"error": f"no worker here for {path}"}
            return await _take(inbound, receive)
        if path == "/dapr/subscribe":
            self.asked.set()
            return 200, self.subscriptions()
        if path == "/dapr/config":
            return 200, {}
        if path == "/healthz":
            closed = any(inbound.closed for inbound in self.inbounds.values())
            return (503 if closed else 200), {}
        return 404, {"error": f"nothing at {path}"}


def dead_letters(topic: str) -> str:
    """Where Dapr puts an event of *topic* that it gave up on; we keep our own in the database."""
    return f"{topic}.dead"


class _Request:
    """The events of one request, and who waits until each has its status."""

    def __init__(self, events: int) -> None:
        self.statuses: dict[str, str] = {}
        self.done = asyncio.Event()
        self._left = events
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()

    def settle(self, name: str, status: Status) -> None:
        """See `inbound.Answer`."""
        with self._lock:
            self.statuses[name] = status.value
            self._left -= 1
            if self._left:
                return
        with suppress(RuntimeError):  # the server has ended, and with it who waited
            self._loop.call_soon_threadsafe(self.done.set)


async def _take(inbound: Inbound, receive: Receive) -> tuple[int, Any]:
    try:
        body = orjson.loads(await _body(receive))
    except orjson.JSONDecodeError as error:
        log.warning("unreadable events", extra={"topic": inbound.topic, "error": str(error)})
        return 400, {"error": f"no JSON: {error}"}
    entries = _entries(body)
    events = entries if entries is not None else [("", body)]
    request = _Request(len(events))
    if events:
        inbound.put(events, request)
        if not await _settled(request, receive):
            return 0, None
    if entries is None:
        return 200, {"status": request.statuses[""]}
    listed = [{"entryId": name, "status": status} for name, status in request.statuses.items()]
    return 200, {"statuses": listed}


def _entries(body: Any) -> list[tuple[str, Any]] | None:
    """Entry ids and envelopes of a bulk; None when *body* is a single event."""
    if not isinstance(body, dict) or "specversion" in body:
        return None
    entries = body.get("entries")
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        return None
    return [(str(entry.get("entryId")), entry.get("event")) for entry in entries]


async def _settled(request: _Request, receive: Receive) -> bool:
    """Wait for every status; False when the sidecar has hung up: it sends the events again."""
    done = asyncio.ensure_future(request.done.wait())
    hung_up = asyncio.ensure_future(_hang_up(receive))
    await asyncio.wait((done, hung_up), return_when=asyncio.FIRST_COMPLETED)
    settled = done.done()
    for waiting in (done, hung_up):
        waiting.cancel()
    return settled


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _send(send: Send, status: int, answer: Any) -> None:
    body = orjson.dumps(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
