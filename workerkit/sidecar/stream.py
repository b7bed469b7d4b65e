"""One streaming subscription: a feed's events out, the client's answers in."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from .feed import Feed, Handed, Status

log = logging.getLogger("workerkit.sidecar")

BATCH = 100
"""Events that are handed to the connection together."""


class Stream:
    """Sends the events of *feed* by *write*, which blocks for as long as the client is slow.

    Clients answer by the CloudEvent's id. Of two events with one id in flight
    the second waits here for the first one's answer. Under a strict component
    it does not, and the answers are mixed up, as Dapr's are.
    """

    def __init__(self, feed: Feed, write: Callable[[Sequence[Handed]], object]) -> None:
        self._feed = feed
        self._write = write
        self._strict = feed.pubsub.strict
        self._lock = threading.Lock()
        self._sent: dict[str, Handed] = {}
        self._twins: dict[str, deque[Handed]] = {}
        self._thread = threading.Thread(target=self._pump, name="stream", daemon=True)
        self._thread.start()

    def answer(self, event_id: str, status: Status) -> None:
        """What the client says of the event *event_id*; unknown ids mean nothing."""
        with self._lock:
            handed = self._sent.pop(event_id, None)
            waiting = self._twins.get(event_id)
            twin = waiting.popleft() if waiting else None
            if not waiting:
                self._twins.pop(event_id, None)
        if handed is not None:
            self._feed.answer([(handed, status)])
        if twin is not None:
            self._feed.put_back(twin)

    def close(self) -> None:
        """Give back what the client did not answer."""
        self._feed.stop_taking()
        self._thread.join(5.0)
        self._feed.close(reads_on=True)

    def _pump(self) -> None:
        while events := self._feed.take(BATCH):
            free = [event for event in events if self._claims_id(event)]
            try:
                self._write(free)
            except Exception as error:  # the client is gone; closing gives its events back
                facts = {"topic": self._feed.topic, "error": repr(error)}
                log.info("stream ended", extra=facts)
                return

    def _claims_id(self, event: Handed) -> bool:
        """Whether *event* can go out now: no other with its id is unanswered."""
        with self._lock:
            if event.id in self._sent and not self._strict:
                self._twins.setdefault(event.id, deque()).append(event)
                return False
            self._sent[event.id] = event
            return True
