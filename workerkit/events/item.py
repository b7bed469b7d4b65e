"""One event on its way through a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .envelope import Event
from .store import ParkedEvent
from .transport import Delivery


@dataclass(slots=True)
class Item:
    """An event with its payload, from a delivery or from the parked ones.

    `problem` is why it can never be handled; then `payload` is None.
    """

    event: Event
    body: bytes
    payload: Any
    key: str | None
    published: float
    delivery: Delivery | None = None
    parked: ParkedEvent | None = None
    problem: Exception | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """(source, id): what the inbox knows the event by."""
        return self.event.source, self.event.id

    @property
    def attempt(self) -> int:
        """Number of the attempt about to be made, from 1."""
        return self.parked.attempts + 1 if self.parked else 1

    @property
    def suspect(self) -> bool:
        """Whether it was handed out twice and came back without an outcome."""
        return self.delivery is not None and self.delivery.count > 2
