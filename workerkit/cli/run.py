"""`workerkit run`: one process of one service, until a signal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from ..config.settings import Mode, check_mode, read_environment
from ..observability.logs import set_up
from ..process import PARTS, Process
from ..project import Project


def run_process(
    folder: Path,
    service: str | None,
    mode: str | None,
    concurrency: int | None = None,
    port: int | None = None,
) -> int:
    """Run a service until a signal; return 130 after SIGINT, else 0.

    The first signal drains within WORKER_DRAIN_TIMEOUT seconds, the second stops at once.
    """
    environment = read_environment()
    wanted = check_mode(
        mode or environment.worker_mode or "all", "--mode" if mode else "WORKER_MODE"
    )
    received = Signals()
    project = Project.open(folder, environment)
    try:
        name = _choose(project, service, wanted)
        set_up(environment.log_format, name)
        process = Process(project, name, wanted, concurrency=concurrency, port=port)
        process.start()
        _say(f"{name} {wanted}: running on port {process.port}, pid {os.getpid()}")
        received.first.wait()
        _say(
            f"{name} {wanted}: stopped, gave back {process.stop(environment.worker_drain_timeout)}"
        )
    finally:
        project.close()
    return 130 if received.number == signal.SIGINT else 0


def _choose(project: Project, service: str | None, mode: Mode) -> str:
    """*service*, else the one whose folder we are in, else the only one with that mode."""
    if service is None:
        inside = Path.cwd().relative_to(project.folder).parts[:1]
        if inside and inside[0] in project.file.services:
            return inside[0]
        having = [n for n in project.file.services if {*PARTS[mode]} & {*project.modes(n)}]
        if len(having) == 1:
            return having[0]
    return project.choose(service)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


class Signals:
    """The first SIGINT or SIGTERM asks for an end, the second makes it."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.number = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
        if self.first.is_set():
            os._exit(128 + number)
        self.number = number
        self.first.set()
