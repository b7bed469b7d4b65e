"""What a user writes to handle events."""

from __future__ import annotations

import typing
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from ..config.problem import first_problem
from ..core.backoff import Retry
from ..core.trace import caused
from ..errors import ConfigurationError, InvalidPayload
from .envelope import Event, cause_of, derived_id, encode
from .transport import Message

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

P = TypeVar("P")


class EventContext:
    """What a handler may use while it handles one event."""

    __slots__ = ("_now", "_open", "actions", "attempt", "consumer", "event", "follow_ups", "sent")

    def __init__(
        self, event: Event, consumer: str, attempt: int, now: float, open_session: Callable[[], Any]
    ) -> None:
        self.event = event
        self.consumer = consumer
        self.attempt = attempt
        self._now = now
        self._open = open_session
        self.follow_ups: list[Message] = []
        self.sent: list[tuple[str, str]] = []
        """Topic and id of each follow-up."""
        self.actions: list[Callable[[], None]] = []

    @property
    def session(self) -> Session:
        """The service's database, in the transaction that settles this event.

        It commits with the batch: `commit`, `rollback` and `close` are refused,
        `begin_nested` is there.
        """
        session: Session = self._open()
        return session

    @property
    def idempotency_key(self) -> str:
        """The same text on every attempt of this event by this consumer; for effects elsewhere."""
        return cause_of(self.consumer, self.event.source, self.event.id)

    def publish(self, topic: str, data: Any) -> None:
        """Publish *data* to *topic* if, and only if, this event's transaction commits.

        Raises:
            InvalidPayload: *topic* is no name, or *data* is not JSON.
        """
        id = derived_id(self.idempotency_key, topic, len(self.follow_ups))
        event = Event(
            topic=topic,
            data=data,
            id=id,
            source=self.consumer.partition("/")[0],
            time=self._now,
            traceparent=caused(self.event.traceparent, self.event.id, id),
        )
        self.follow_ups.append(Message(topic, encode(event)))
        self.sent.append((topic, id))

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call *action* once this event's transaction has committed (lost if we die first)."""
        self.actions.append(action)


class EventWorker(Generic[P]):
    """Handles the events of one topic; subclass it with the payload's type.

    `timeout` is in seconds; None means no bound. `isolate` gives every event
    a transaction of its own. `order` "strict" lets one replica at a time
    work, so that order by key holds across replicas.
    """

    topic: ClassVar[str] = ""
    name: ClassVar[str] = ""
    retry: ClassVar[Retry] = Retry()
    timeout: ClassVar[float | None] = None
    isolate: ClassVar[bool] = False
    order: ClassVar[Literal["key", "strict"]] = "key"

    def key(self, payload: P) -> str | None:
        """Events with the same key are applied in order within one process (see `order`).

        One that fails is parked, and those behind it overtake it.
        """
        return None

    def handle(self, payload: P, context: EventContext) -> Awaitable[None] | None:
        """Apply *payload*; raise to try again later, `Reject` to give up."""
        raise NotImplementedError


def worker_name(worker: EventWorker[Any]) -> str:
    """The worker's `name`, else its class name in kebab case without "Worker"."""
    if worker.name:
        return worker.name
    stem = type(worker).__name__.removesuffix("Worker") or type(worker).__name__
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in stem).lstrip("-")


def payload_type(worker_class: type[EventWorker[Any]]) -> Any:
    """The type between the brackets of `EventWorker[...]`; `Any` when there is none."""
    for cls in worker_class.__mro__:
        for base in getattr(cls, "__orig_bases__", ()):
            if typing.get_origin(base) is EventWorker:
                (argument,) = typing.get_args(base)
                return Any if isinstance(argument, TypeVar) else argument
    return Any


TOO_DEEP = "payload: nested too deeply"


class PayloadReader:
    """Validates an event's data against the worker's payload type."""

    def __init__(self, worker: EventWorker[Any]) -> None:
        self.type = payload_type(type(worker))
        self._adapter: TypeAdapter[Any] = TypeAdapter(self.type)

    def read(self, data: Any) -> Any:
        """The payload as the worker's type.

        Raises:
            InvalidPayload: It does not fit; the message names the first field that is wrong.
        """
        try:
            return self._validate(data)
        except ValidationError as error:
            more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
            raise InvalidPayload(f"{first_problem(error, 'payload')}{more}") from None
        except RecursionError:
            raise InvalidPayload(TOO_DEEP) from None

    def _validate(self, data: Any) -> Any:
        try:
            return self._adapter.validate_python(data)
        except ValidationError:
            # A strict date is a string in JSON, and only there: 2.5 µs more for such a model.
            return self._adapter.validate_json(_json(data))


def _json(data: Any) -> bytes:
    try:
        return orjson.dumps(data)
    except TypeError:  # of what was JSON, orjson refuses only what is deeper than 254
        raise InvalidPayload(TOO_DEEP) from None


def check_worker(worker: EventWorker[Any]) -> None:
    """Refuse a worker that can never work.

    Raises:
        ConfigurationError: No topic, or `handle` is not overridden.
    """
    label = type(worker).__name__
    if not worker.topic:
        raise ConfigurationError(f'{label} has no topic: set `topic = "..."` on the class')
    if type(worker).handle is EventWorker.handle:
        raise ConfigurationError(f"{label} has no handle(payload, context) method")
