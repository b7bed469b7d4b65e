"""A worker's lanes: all of them for a handler that waits, one for a quick one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..core.clock import Clock
from ..core.supervisor import Supervisor
from .item import Item, Reader
from .lane import Lane, Pace
from .pipeline import QUICK

FORGIVEN = 60.0
"""Seconds after which a handler that was slow may count as quick again."""

MOVING_LIMIT = 0.1
"""Seconds that events may wait for a running handler on their way to one lane."""


class Lanes:
    """*count* lanes under a supervisor; *usual* tells how many seconds an event takes.

    Threads that take turns make nothing quicker, so a quick handler's events
    go through one lane, in larger batches. `spread` is how many are in use.
    """

    def __init__(
        self,
        name: str,
        count: int,
        apply: Callable[[Sequence[Item]], float | None],
        batch_seconds: float,
        reader: Reader,
        usual: Callable[[], float],
        clock: Clock,
    ) -> None:
        self.lanes = [Lane(f"{name}#{n}", apply, Pace(batch_seconds)) for n in range(max(1, count))]
        self.spread = len(self.lanes)
        self._reader = reader
        self._usual = usual
        self._clock = clock
        self._supervisor = Supervisor(self.lanes, clock, name=f"{name} lanes")
        self._between: list[Item] = []
        self._moving_since = 0.0
        self._slow_at = -math.inf

    def __len__(self) -> int:
        """Events waiting or running."""
        return len(self._between) + sum(len(lane) for lane in self.lanes)

    def start(self) -> None:
        """Start every lane."""
        self._supervisor.start()

    def stop(self, timeout: float) -> tuple[list[Item], int]:
        """Let what runs end within *timeout* seconds; what had not begun, how many still run."""
        for lane in self.lanes:
            lane.stopping.set()
        left = self.abandon()
        self._supervisor.stop(timeout)
        left += self.abandon()
        return left, sum(len(lane.running) for lane in self.lanes)

    def abandon(self) -> list[Item]:
        """Take back what has not begun."""
        between, self._between = self._between, []
        return between + [item for lane in self.lanes for item in lane.abandon()]

    def held(self) -> list[Item]:
        """What waits and what runs, for the renewal of leases."""
        return self._between + [item for lane in self.lanes for item in lane.held()]

    def moving(self) -> bool:
        """Whether events are on their way between one lane and all of them.

        What waits is taken back, and given out anew once nothing runs: a key
        is never in two lanes. The way to one lane is given up when a handler
        takes its time after all.
        """
        wanted = self._wanted()
        if wanted == self.spread:
            self._give_out()
            return False
        self._between = self.abandon()
        now = self._clock.monotonic()
        if any(len(lane) for lane in self.lanes):
            self._moving_since = self._moving_since or now
            if wanted == 1 and now > self._moving_since + MOVING_LIMIT:
                self._slow_at = now
            return True
        if wanted > 1:
            self._slow_at = now
        self.spread = wanted
        self._give_out()
        return False

    def route(self, items: Sequence[Item]) -> None:
        """Queue *items*: the same key to the same lane, others to the shortest.

        With one lane there is nothing to choose, and the lane reads its events
        itself: parsed on this thread they cost it a third of its rate.
        """
        lanes = self.lanes
        if self.spread == 1:
            lanes[0].put(items)
            return
        lists: list[list[Item]] = [[] for _ in lanes]
        alive = [n for n, lane in enumerate(lanes) if lane.alive] or list(range(len(lanes)))
        for item in items:
            key = item.key if item.ready else self._reader.read(item).key
            if key is not None:
                chosen = hash(key) % len(lanes)
            else:
                chosen = min(alive, key=lambda n: len(lanes[n]) + len(lists[n]))
            lists[chosen].append(item)
        for lane, share in zip(lanes, lists, strict=True):
            if share:
                lane.put(share)

    def _wanted(self) -> int:
        usual = self._usual()
        if usual > 2 * QUICK:
            return len(self.lanes)
        if usual < QUICK and self._clock.monotonic() > self._slow_at + FORGIVEN:
            return 1
        return self.spread

    def _give_out(self) -> None:
        self._moving_since = 0.0
        if self._between:
            moved, self._between = self._between, []
            self.route(moved)
