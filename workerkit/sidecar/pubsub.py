"""A pub/sub component of the sidecar: where its events are, and what becomes of a failed one."""

from __future__ import annotations

import math
import random
import threading
from dataclasses import dataclass
from typing import Any

from ..core.backoff import Retry
from ..events.transport import Transport

KIND = Retry(attempts=2**31, first=0.5, factor=2.0, cap=15.0)
"""Waits of the sidecar that loses nothing: it sends a failed event for as long as it takes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an inbound resiliency policy says; all durations in seconds.

    `most` retries follow a failed callback, None for any number; the wait grows
    from `first` by `factor` up to `cap`. `timeout` bounds a callback, None does not.
    """

    most: int | None = 0
    first: float = 5.0
    factor: float = 1.0
    cap: float = 60.0
    timeout: float | None = None

    def wait(self, failures: int) -> float | None:
        """Seconds until the next try after *failures*; None when there is none."""
        if self.most is not None and failures > self.most:
            return None
        try:
            return min(self.cap, self.first * self.factor ** (failures - 1))
        except OverflowError:
            return self.cap


class PubSub:
    """A named component on *transport*, whose leases last *lease* seconds.

    *strict* behaves as Dapr 1.18 was measured to (components-contrib 1.18,
    `pubsub.redis`), with all that it loses, repeats and delays: *concurrency*
    unanswered events stall every topic of the component, a failed event is
    acknowledged once *policy*'s retries run out, nobody renews a lease, what
    comes in together is handed on in any order, and a stream that was closed
    reads once more. Without *strict* no topic waits for another, and nothing is lost unless
    *policy* has an end.
    `owned` transports are closed with the sidecar.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        *,
        lease: float = 30.0,
        strict: bool = False,
        concurrency: int = 10,
        policy: Policy | None = None,
        type: str = "pubsub.workerkit",
    ) -> None:
        self.name = name
        self.transport = transport
        self.lease = lease
        self.strict = strict
        self.policy = policy
        self.type = type
        self.lock = threading.RLock()
        self.freed = threading.Condition(self.lock)
        self.closing = threading.Event()
        self.owned = False
        self._free: float = concurrency if strict else math.inf
        self._random = random.Random()

    @property
    def timeout(self) -> float | None:
        """Seconds that the app has for one callback."""
        return self.policy.timeout if self.policy else None

    def wait(self, failures: int) -> float | None:
        """Seconds until a failed event is sent again; None gives it up."""
        if self.policy is not None:
            return self.policy.wait(failures)
        return None if self.strict else KIND.wait(failures)

    def enter(self) -> bool:
        """Count one more unanswered event, unless there are too many; hold `lock`."""
        if self._free < 1:
            return False
        self._free -= 1
        return True

    def leave(self) -> None:
        """Count one less; hold `lock`."""
        self._free += 1
        self.freed.notify_all()

    def shuffle(self, events: list[Any]) -> None:
        """Lose the order that Dapr would not keep."""
        if self.strict:
            self._random.shuffle(events)

    def close(self) -> None:
        """Close the transport where it is nobody else's."""
        self.closing.set()
        if self.owned:
            self.transport.close()
