"""What a batch leaves behind for after its commit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.hooks import Batch, Settled
from .transport import Message


@dataclass(slots=True)
class Result:
    """What became of a batch: records for the hooks, and what is left to do after the commit.

    `now` is the batch's moment in epoch seconds, `due` when the first of what
    it parked is due.
    """

    now: float
    records: list[Settled] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    actions: list[Callable[[], None]] = field(default_factory=list)
    due: float = math.inf
    batch: Batch = field(init=False)

    def __post_init__(self) -> None:
        self.batch = Batch(self.now)
