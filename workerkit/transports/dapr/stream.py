"""Events by a stream that we hold to the sidecar, with Dapr's SDK: for where no port of ours
can be called.

The SDK gives up a stream that it cannot restore, and its `subscribe_with_handler`
drops the answer of a handler that runs while it closes. So we read the stream
ourselves, begin again whatever it ended with, and answer before we close it.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from contextlib import suppress
from typing import Any

import orjson

from ...core.backoff import STORAGE_BACKOFF
from ...core.worker import BaseWorker
from ...errors import ConfigurationError, StorageError
from .callbacks import dead_letters
from .inbound import Status
from .transport import DaprTransport

HEALTH_TIMEOUT = 1
"""Seconds that the SDK itself waits for a sidecar; our own look at it is patient and silent."""

FLUSH = 0.2
"""Seconds for the last answers to leave: closing a stream throws away what the SDK has queued.

An event whose answer is lost comes again, as a duplicate.
"""


class Stream(BaseWorker):
    """Reads the events of *topic*, once a consumer has subscribed to it on *transport*."""

    def __init__(self, name: str, transport: DaprTransport, topic: str) -> None:
        super().__init__(name)
        self.transport = transport
        self.topic = topic
        self._subscription: Any = None
        self._failures = 0

    def start(self) -> None:
        """Begin to read.

        Raises:
            ConfigurationError: Dapr's SDK is not installed.
        """
        try:
            import dapr.clients  # noqa: F401, PLC0415
        except ModuleNotFoundError:
            raise ConfigurationError(
                "receive = \"stream\" needs Dapr's SDK: pip install 'workerkit[dapr]'"
            ) from None
        super().start()

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what was read, in half of *timeout*; answer RETRY for the rest, and close."""
        self.stopping.set()
        if self.alive:
            self.transport.inbounds[self.topic].drain(timeout / 2)
            self.transport.clock.wait(threading.Event(), FLUSH)
        super().stop(timeout / 2)

    def wake(self) -> None:
        """End a wait for events."""
        subscription = self._subscription
        if subscription is not None:
            with suppress(Exception):  # the SDK's, for a stream that has ended by itself
                subscription.close()

    def work(self) -> None:
        """Read, and begin again after whatever ended it, until stopped."""
        inbound = self.transport.inbounds[self.topic]
        while not self.stopping.is_set():
            try:
                self._read()
                why = "the stream ended"
            except Exception as error:  # the SDK raises bare ones
                why = f"{type(error).__name__}: {error}"
            if self.stopping.is_set():
                break
            self._failures += 1
            inbound.trouble = f"{self.transport.client.shown}: no stream of {self.topic}: {why}"
            self.log.warning("subscribing again", extra={"topic": self.topic, "error": why})
            self.transport.clock.wait(self.stopping, STORAGE_BACKOFF.wait(self._failures))

    def _read(self) -> None:
        """Until the stream ends or breaks; returns when it ended after it had begun."""
        inbound = self.transport.inbounds[self.topic]
        trouble = self.transport.client.trouble()
        if trouble is not None:
            raise StorageError(trouble)
        with _open_client(self.transport) as client:
            subscription = client.subscribe(
                self.transport.options.pubsub, self.topic,
                dead_letter_topic=dead_letters(self.topic),
            )  # fmt: skip
            self._subscription = subscription
            inbound.trouble = None
            self._failures = 0
            try:
                while not self.stopping.is_set():
                    message = subscription.next_message()
                    if message is None:
                        return
                    answer = _Answer(subscription, message)
                    inbound.put([(message.id(), envelope_of(message))], answer)
            finally:
                self._subscription = None
                subscription.close()


class _Answer:
    """Answers one message on the stream that it came by; on another one it would mean nothing."""

    def __init__(self, subscription: Any, message: Any) -> None:
        self._subscription = subscription
        self._message = message

    def settle(self, name: str, status: Status) -> None:
        """See `inbound.Answer`."""
        if status is Status.SUCCESS:
            self._subscription.respond_success(self._message)
        else:
            self._subscription.respond_retry(self._message)


def envelope_of(message: Any) -> dict[str, Any]:
    """The CloudEvent of an SDK's SubscriptionMessage, as HTTP would have brought it.

    gRPC carries the data as bytes, and what has no field of its own as extensions.
    """
    kind = message.data_content_type() or "application/json"
    envelope = {
        **message.extensions(),
        "id": message.id(),
        "source": message.source(),
        "type": message.type(),
        "specversion": message.spec_version(),
        "datacontenttype": kind,
        "topic": message.topic(),
        "pubsubname": message.pubsub_name(),
    }
    raw: bytes = message.raw_data()
    media = kind.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        try:
            envelope["data"] = orjson.loads(raw or b"null")
        except orjson.JSONDecodeError:
            envelope["data"] = raw.decode("utf-8", "replace")
    elif media.startswith("text/"):
        envelope["data"] = raw.decode("utf-8", "replace")
    else:
        envelope["data_base64"] = b64encode(raw).decode()
    return envelope


def _open_client(transport: DaprTransport) -> Any:
    """The SDK's client; it knows where the sidecar is from a module of its own."""
    from dapr.clients import DaprClient  # noqa: PLC0415
    from dapr.conf import settings  # noqa: PLC0415

    options = transport.options
    settings.DAPR_HTTP_PORT = options.http_port
    settings.DAPR_API_TOKEN = options.token
    settings.DAPR_HEALTH_TIMEOUT = HEALTH_TIMEOUT
    return DaprClient(f"127.0.0.1:{options.grpc_port}")
