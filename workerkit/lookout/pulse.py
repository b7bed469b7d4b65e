"""Looks at the whole project again and again, and remembers how fast everything went."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..core.worker import BaseWorker
from ..errors import WorkerkitError
from ..operate.jobs import Job
from ..operate.status import Status
from ..operate.top import Row, Scene, Top

WATCHED, ALONE = 1.0, 5.0
"""Seconds between two looks while somebody has a page open, and while nobody has."""

REMEMBERED = 60
"""Looks whose rates are drawn."""

Key = tuple[int, str]
"""Port and name of a worker."""


@dataclass(frozen=True)
class Beat:
    """One look. `trends` are rates by worker, `trend` is their sum, oldest first."""

    status: Status
    scene: Scene
    jobs: Sequence[Job]
    trends: dict[Key, tuple[float, ...]] = field(default_factory=dict)
    trend: tuple[float, ...] = ()
    trouble: str = ""


class Pulse(BaseWorker):
    """*look* asks the processes, *jobs* the ledgers; what fails is a trouble of the beat."""

    def __init__(self, look: Callable[[], Status], jobs: Callable[[], Sequence[Job]]) -> None:
        super().__init__("pulse")
        self._look = look
        self._ask_jobs = jobs
        self._status = Status((), {})
        self._jobs: Sequence[Job] = ()
        self._trends: defaultdict[Key, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._total: deque[float] = deque(maxlen=REMEMBERED)
        self._top = Top(self._remember_look, self._remember_jobs)
        self._watched = 0.0
        self._wanted = threading.Event()
        self._first = threading.Event()
        self._beat = Beat(self._status, Scene((), 0, 0, 0, ()), ())

    def beat(self) -> Beat:
        """The latest look; says that somebody is watching, and waits for the first one."""
        now = time.monotonic()
        if now - self._watched > ALONE:
            self._wanted.set()
        self._watched = now
        self._first.wait(5.0)
        return self._beat

    def again(self) -> None:
        """Look at once: something was just changed."""
        self._wanted.set()

    def wake(self) -> None:
        """End the wait for the next look."""
        self._wanted.set()

    def work(self) -> None:
        """Look, until stopped."""
        while not self.stopping.is_set():
            self._wanted.clear()
            try:
                self._take(self._top.scene(), "")
            except WorkerkitError as error:
                self._take(self._beat.scene, str(error))
            self._first.set()
            idle = time.monotonic() - self._watched > ALONE
            self._wanted.wait(ALONE if idle else WATCHED)

    def _remember_look(self) -> Status:
        self._status = self._look()
        return self._status

    def _remember_jobs(self) -> Sequence[Job]:
        self._jobs = self._ask_jobs()
        return self._jobs

    def _take(self, scene: Scene, trouble: str) -> None:
        events = [row for row in scene.rows if row.kind != "cron" and row.rate is not None]
        for row in events:
            self._trends[key_of(row)].append(row.rate or 0.0)
        if events:
            self._total.append(sum(row.rate or 0.0 for row in events))
        here = {key_of(row) for row in scene.rows}
        for gone in [key for key in self._trends if key not in here]:
            del self._trends[gone]
        trends = {key: tuple(values) for key, values in self._trends.items()}
        self._beat = Beat(self._status, scene, self._jobs, trends, tuple(self._total), trouble)


def key_of(row: Row) -> Key:
    """How *row* is remembered."""
    return row.port, row.name
