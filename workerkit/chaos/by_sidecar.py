"""Publishes by way of a Dapr sidecar's HTTP API, as a team's other services do."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from urllib.parse import quote

from ..errors import StorageError
from ..events.transport import Message


class BySidecar:
    """A `Sender`: one request an event, as CloudEvents, on one connection to *port*."""

    def __init__(self, port: int, pubsub: str) -> None:
        self.pubsub = pubsub
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)

    def publish(self, messages: Sequence[Message]) -> None:
        """Return once the sidecar has confirmed every one of *messages*.

        Raises:
            StorageError: It did not; some of them may be there.
        """
        try:
            for message in messages:
                self._publish(message)
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            raise StorageError(f"the sidecar does not answer: {error}") from error

    def _publish(self, message: Message) -> None:
        path = f"/v1.0/publish/{quote(self.pubsub)}/{quote(message.topic)}"
        headers = {"Content-Type": "application/cloudevents+json"}
        self._line.request("POST", path, message.body, headers)
        answer = self._line.getresponse()
        said = answer.read()
        if answer.status != 204:
            raise StorageError(f"the sidecar answered {answer.status}: {said[:200]!r}")
