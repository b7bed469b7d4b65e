"""Asks a process how it is, all the time: when a fault is noticed, and what an API's users see."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from dataclasses import dataclass

from ..core.worker import BaseWorker

PERIOD = 0.05
"""Seconds between two questions."""

PATIENCE = 5.0
"""Seconds to wait for an answer; a user would have gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, `at` the time of its question in epoch seconds, after so many `seconds`.

    `fine`: there was one, with a status below 500.
    """

    at: float
    seconds: float
    fine: bool


class Watch(BaseWorker):
    """GETs *path* on *port* of this machine until stopped, on one connection.

    A question that the last answer delayed is not made up for: what its users
    wait for is one answer.
    """

    def __init__(self, name: str, port: int, path: str) -> None:
        super().__init__(f"watch {name}")
        self.port = port
        self.path = path
        self.answers: list[Answer] = []

    def work(self) -> None:
        """Ask, until stopped."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as line:
            while not self.stopping.wait(PERIOD):
                at, began = time.time(), time.monotonic()
                fine = self._ask(line)
                self.answers.append(Answer(at, time.monotonic() - began, fine))

    def _ask(self, line: http.client.HTTPConnection) -> bool:
        try:
            line.request("GET", self.path)
            answer = line.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            line.close()
            return False
        return answer.status < 500
