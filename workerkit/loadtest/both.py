"""The same load on an API and on events at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event as Flag

from ..core.worker import BaseWorker
from ..errors import WorkerkitError
from .api import ApiTest, run_api
from .events import EventTest, run_events
from .measured import Second
from .run import Run


class _Events(BaseWorker):
    """The event test on a thread of its own; `run` is there once it has ended."""

    def __init__(self, test: EventTest) -> None:
        super().__init__("events under load")
        self.test = test
        self.run: Run | None = None

    def work(self) -> None:
        """Measure until all is settled, or until stopped."""
        try:
            self.run = run_events(self.test, stop=self.stopping)
        except WorkerkitError as error:
            self.failure = error


def run_both(
    api: ApiTest, events: EventTest | None, *, stop: Flag,
    tell: Callable[[Second], object] = lambda second: None,
) -> tuple[Run, Run | None]:  # fmt: skip
    """Measure both; without *events* only the API. What ends the API's run ends the other.

    Raises:
        Unreachable: The API took no connection.
        StorageError: The broker or a database does not answer.
    """
    if events is None:
        return run_api(api, stop=stop, tell=tell), None
    # One sampler is enough: the API's run has the usage of all processes.
    beside = _Events(replace(events, processes=dict))
    beside.start()
    try:
        run = run_api(api, stop=stop, tell=tell)
        patience = 0.0 if run.ended else events.patience * 2
        end = patience
        while beside.alive and end > 0 and not stop.wait(0.05):
            end -= 0.05
    finally:
        beside.stop()
    if beside.failure is not None:
        raise beside.failure
    return run, beside.run


def over(load_seconds: float, rate: float) -> int:
    """How many events at *rate* keep workers busy for *load_seconds*; at least one."""
    return max(1, int(load_seconds * rate))
