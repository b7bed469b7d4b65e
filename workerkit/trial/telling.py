"""What a trial needs of whoever started it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event
from typing import Protocol

from ..loadtest.generator import Load
from ..loadtest.measured import Second
from ..loadtest.run import Run


class Telling(Protocol):
    """Hears how it goes; `stop` is set when it shall end."""

    stop: Event

    def live(self, what: str, load: Load) -> AbstractContextManager[Callable[[Second], object]]:
        """Yields what takes each second of a run with *load*."""

    def counting(self, what: str, total: int) -> AbstractContextManager[Callable[[int], object]]:
        """Yields what is told how many of *total* are done."""

    def warn(self, text: str) -> None:
        """A sentence that the user should read, but that ends nothing."""

    def done(self, run: Run) -> None:
        """*run* is over, judged and kept."""
