"""One event on its way through a worker."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ..errors import HandlerError, InvalidPayload
from .envelope import Event, decode
from .store import ParkedEvent
from .transport import Delivery
from .worker import EventWorker, PayloadReader


class Item:
    """An event from a delivery or from the parked ones; `ready` once `Reader` has filled it in.

    `problem` is why it can never be handled; then `payload` is None.
    `identity` is (source, id): what the inbox knows the event by.
    """

    __slots__ = (
        "body", "delivery", "event", "identity", "key", "parked", "payload", "problem",
        "published", "ready", "starts",
    )  # fmt: skip

    event: Event
    identity: tuple[str, str]

    def __init__(self, delivery: Delivery | None = None, parked: ParkedEvent | None = None) -> None:
        origin: Any = delivery or parked
        self.delivery = delivery
        self.parked = parked
        self.body: bytes = origin.body
        self.published: float = origin.published
        self.payload: Any = None
        self.key: str | None = None
        self.problem: BaseException | None = None
        self.ready = False
        self.starts: int | None = None
        """How often it was started before; None while that is not counted."""

    @property
    def attempt(self) -> int:
        """Number of the attempt about to be made, from 1."""
        return self.parked.attempts + 1 if self.parked else 1

    @property
    def suspect(self) -> bool:
        """Whether it was handed out twice and came back without an outcome."""
        return self.delivery is not None and self.delivery.count > 2

    def expired(self, now: float) -> bool:
        """Whether it came with a time to live that ended before *now* (epoch seconds)."""
        expires = self.event.expires
        return expires is not None and expires < now


NAME_LIMIT = 500
"""Characters of an id or source that the inbox holds as they are."""


def known_by(name: str) -> str:
    """*name* as any database can index it: long, or with a NUL in it, as its SHA-256."""
    if len(name) <= NAME_LIMIT and "\0" not in name:
        return name
    return f"sha256:{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Reader:
    """Parses and validates the events of one worker."""

    def __init__(self, worker: EventWorker[Any]) -> None:
        self._payload = PayloadReader(worker).read
        self._key = worker.key if type(worker).key is not EventWorker.key else None

    def read(self, item: Item) -> Item:
        """Fill in *item*, in place; what cannot be read gets a problem."""
        if item.delivery is not None:
            topic, name = item.delivery.topic, item.delivery.entry
        else:
            assert item.parked is not None
            topic, name = item.parked.topic, item.parked.id
        try:
            item.event = decode(item.body, topic, name)
        except InvalidPayload as error:
            item.event = Event(topic=topic, data=None, id=name)
            item.problem = error
        item.identity = (known_by(item.event.source), known_by(item.event.id))
        if item.parked is not None:
            # What cannot be decoded was parked under the entry's name, without a source.
            item.identity = (item.parked.source, item.parked.id)
        if item.problem is None:
            self._validate(item)
        item.ready = True
        return item

    def _validate(self, item: Item) -> None:
        try:
            item.payload = self._payload(item.event.data)
            if self._key is not None:
                key: Any = self._key(item.payload)
                item.key = key if key is None or type(key) is str else repr(key)
        except HandlerError as error:
            item.problem = error
        except Exception as error:
            item.problem = InvalidPayload(f"key() failed: {type(error).__name__}: {error}")
