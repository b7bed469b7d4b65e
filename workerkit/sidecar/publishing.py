"""What an app publishes, over HTTP or gRPC, on its way to a component."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.clock import Clock
from ..core.loading import unknown
from ..errors import ConfigurationError, InvalidPayload, StorageError
from ..events.transport import Message
from .envelopes import Options, Publication, read_options, wrap
from .publisher import Publisher
from .pubsub import PubSub
from .refusal import NOT_PUBLISHED, Refusal

log = logging.getLogger("workerkit.sidecar")

Pairs = Iterable[tuple[str, str]]


class Outgoing(Protocol):
    """An entry of a bulk publish."""

    id: str

    @property
    def content_type(self) -> str:
        """As it was sent."""

    @property
    def options(self) -> Mapping[str, str]:
        """Metadata of its own."""

    def body(self) -> bytes:
        """The event; raises InvalidPayload when it does not fit its content type."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a publish goes, and the trace that it belongs to."""

    pubsub: str
    topic: str
    traceparent: str = ""
    tracestate: str = ""


class Publishing:
    """Publishes for one event loop; *app_id* is the events' source."""

    def __init__(self, pubsubs: Mapping[str, PubSub], app_id: str, clock: Clock) -> None:
        self._pubsubs = pubsubs
        self._publishers = {name: Publisher(each.transport) for name, each in pubsubs.items()}
        self._app_id = app_id
        self._clock = clock

    async def one(self, to: Target, body: bytes, content_type: str, metadata: Pairs) -> None:
        """Return once the event is durable.

        Raises:
            Refusal: No such component, no topic, or the broker did not take it.
            ConfigurationError: *metadata* does not fit.
            InvalidPayload: *body* does not fit *content_type*.
        """
        publisher = self._publisher(to)
        about = self._about(to, content_type, read_options(metadata))
        message = Message(to.topic, wrap(body, about, self._clock.time()))
        try:
            await publisher.publish([message])
        except StorageError as error:
            self._warn(to, error)
            text = f"error when publishing to topic {to.topic} in pubsub {to.pubsub}: {error}"
            raise Refusal(500, NOT_PUBLISHED, text, "INTERNAL") from error

    async def many(
        self, to: Target, read: Callable[[], Sequence[Outgoing]], metadata: Pairs
    ) -> dict[str, str]:
        """Publish the entries that *read* finds; by entry id, what went wrong with some.

        Raises:
            Refusal: No such component, or no topic.
            ConfigurationError: *metadata*, which is for all of them, does not fit.
            InvalidPayload: What *read* raises.
        """
        publisher = self._publisher(to)
        shared = read_options(metadata)
        if "id" in shared.attributes:
            raise ConfigurationError(
                "metadata cloudevent.id would give every entry one id; "
                "put it into each entry's own metadata"
            )
        ready, failed = self._prepare(to, read(), shared)
        try:
            if ready:
                await publisher.publish(list(ready.values()))
        except StorageError as error:
            self._warn(to, error)
            failed |= dict.fromkeys(ready, str(error))
        return failed

    def _prepare(
        self, to: Target, entries: Sequence[Outgoing], shared: Options
    ) -> tuple[dict[str, Message], dict[str, str]]:
        """By entry id: what can be published, and what is wrong with the rest."""
        now = self._clock.time()
        ready: dict[str, Message] = {}
        failed: dict[str, str] = {}
        for entry in entries:
            try:
                about = self._about(
                    to, entry.content_type, read_options(entry.options.items(), shared)
                )
                ready[entry.id] = Message(to.topic, wrap(entry.body(), about, now))
            except (ConfigurationError, InvalidPayload) as error:
                failed[entry.id] = str(error)
        return ready, failed

    def _publisher(self, to: Target) -> Publisher:
        if to.pubsub not in self._pubsubs:
            text = unknown("pubsub", to.pubsub, self._pubsubs)
            raise Refusal(404, "ERR_PUBSUB_NOT_FOUND", text, "NOT_FOUND")
        if not to.topic.strip():
            text = (f"topic is empty in pubsub {to.pubsub}: "
                    f"publish to /v1.0/publish/{to.pubsub}/TOPIC")  # fmt: skip
            raise Refusal(404, "ERR_TOPIC_NAME_EMPTY", text, "INVALID_ARGUMENT")
        return self._publishers[to.pubsub]

    def _about(self, to: Target, content_type: str, options: Options) -> Publication:
        return Publication(
            to.topic, to.pubsub, self._app_id, content_type,
            to.traceparent, to.tracestate, options,
        )  # fmt: skip

    def _warn(self, to: Target, error: StorageError) -> None:
        facts = {"pubsub": to.pubsub, "topic": to.topic, "error": str(error)}
        log.warning("could not publish", extra=facts)
