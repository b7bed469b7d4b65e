"""A worker's lanes: all of them for a handler that waits, one for a quick one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..core.clock import Clock
from ..core.supervisor import Supervisor
from .batch import MicroBatch
from .item import Item, Reader
from .lane import Lane, Pace
from .pipeline import QUICK

FORGIVEN = 60.0
"""Seconds after which a handler that was slow may count as quick again."""

PATIENCE = 0.5
"""Seconds after which a batch is taken apart, for others to go past the event that it is at.

Far above what a batch is sized for: a slow disk must not look like a slow handler.
"""

LOOK = 0.1
"""Seconds between looks for such a batch."""

MOVING_LIMIT = 0.1
"""Seconds that events may wait for a running handler on their way to one lane."""


class Lanes:
    """*count* lanes under a supervisor; *usual* tells how many seconds an event takes.

    *relieve* takes apart a batch that does not come to its end; `stuck` is
    whether there is one.

    Threads that take turns make nothing quicker, so a quick handler's events
    go through one lane, in larger batches. `spread` is how many are in use.
    """

    def __init__(
        self,
        name: str,
        count: int,
        apply: Callable[[MicroBatch], float | None],
        relieve: Callable[[MicroBatch], None],
        batch_seconds: float,
        reader: Reader,
        usual: Callable[[], float],
        clock: Clock,
    ) -> None:
        self.lanes = [Lane(f"{name}#{n}", apply, Pace(batch_seconds)) for n in range(max(1, count))]
        self.spread = len(self.lanes)
        self.stuck = False
        self._relieve = relieve
        self._reader = reader
        self._usual = usual
        self._clock = clock
        self._supervisor = Supervisor(self.lanes, clock, name=f"{name} lanes")
        self._between: list[Item] = []
        self._moving_since = 0.0
        self._slow_at = -math.inf
        self._looked = -math.inf

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

    def look(self) -> None:
        """Let others go past an event that takes its time.

        What waits behind it is given out anew: to other lanes, but for the
        keys that its own is at.
        """
        now = self._clock.monotonic()
        if now < self._looked + LOOK:
            return
        self._looked = now
        stuck = [lane for lane in self.lanes if lane.busy_since(now - PATIENCE)]
        self.stuck = bool(stuck)
        for lane in stuck:
            self._relieve(lane.batch)
        if stuck and self.spread > 1:
            self.route([item for lane in stuck for item in lane.abandon()])

    def moving(self) -> bool:
        """Whether events are on their way between one lane and all of them.

        What waits is taken back, and given out anew: to all as soon as it is
        known which keys the one lane is at, to one once nothing runs. A key is
        never in two lanes. The way to one lane is given up when a handler
        takes its time after all.
        """
        wanted = self._wanted()
        if wanted == self.spread:
            self._give_out()
            return False
        self._between = self.abandon()
        now = self._clock.monotonic()
        if wanted > 1:
            if not all(item.ready for item in self.lanes[0].running):
                return True
            self._slow_at = now
        elif any(len(lane) for lane in self.lanes):
            self._moving_since = self._moving_since or now
            if now > self._moving_since + MOVING_LIMIT:
                self._slow_at = now
            return True
        self.spread = wanted
        self._give_out()
        return False

    def route(self, items: Sequence[Item]) -> None:
        """Queue *items*: a key to the lane that has it, what has none to the shortest.

        A lane that is dead or stuck gets nothing new while there is another.
        With one lane there is nothing to choose, and the lane reads its events
        itself: parsed on this thread they cost it a third of its rate.
        """
        lanes = self.lanes
        if self.spread == 1:
            lanes[0].put(items)
            return
        lists: list[list[Item]] = [[] for _ in lanes]
        has = {item.key: n for n, lane in enumerate(lanes) for item in lane.held()}
        late = self._clock.monotonic() - PATIENCE
        alive = [n for n, lane in enumerate(lanes) if lane.alive] or list(range(len(lanes)))
        free = [n for n in alive if not lanes[n].busy_since(late)] or alive
        for item in items:
            key = item.key if item.ready else self._reader.read(item).key
            if key is not None:
                chosen = has.setdefault(key, free[hash(key) % len(free)])
            else:
                chosen = min(free, key=lambda n: len(lanes[n]) + len(lists[n]))
            lists[chosen].append(item)
        for lane, share in zip(lanes, lists, strict=True):
            if share:
                lane.put(share)

    def _wanted(self) -> int:
        usual = self._usual()
        if usual > 2 * QUICK or self.stuck:
            return len(self.lanes)
        if usual < QUICK and self._clock.monotonic() > self._slow_at + FORGIVEN:
            return 1
        return self.spread

    def _give_out(self) -> None:
        self._moving_since = 0.0
        if self._between:
            moved, self._between = self._between, []
            self.route(moved)
