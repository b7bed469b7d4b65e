"""`workerkit ...` as real processes in a folder, none of which may outlive its test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import psutil

from tests.waiting import until

SETTINGS = ("WORKER", "DATABASE_URL", "DAPR", "LOG_FORMAT", "NO_COLOR", "COLUMNS")


class Started:
    """One process; what it says goes to a file, since a full pipe would stall it."""

    def __init__(self, log: Path, command: list[str], folder: Path, environment: dict[str, str]):
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                env=environment,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def says(self, text: str, times: int = 1) -> Started:
        """Wait until it said *text*, that many *times*."""
        until(lambda: self.said.count(text) >= times or self.process.poll() is not None)
        assert self.said.count(text) >= times, self.said
        return self

    def signal(self, number: int) -> int:
        """Send *number* and wait for the end; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(40)


class Place:
    """A folder with files, the processes started in it, and a count of those that are left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._logs = folder.parent / f"{folder.name}-logs"
        self._logs.mkdir()
        self._started: list[Started] = []

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *arguments: str, below: str = "", **variables: str) -> Started:
        command = [sys.executable, "-m", "workerkit", *arguments]
        log = self._logs / str(len(self._started))
        started = Started(log, command, self.folder / below, environment(variables))
        self._started.append(started)
        return started

    def call(self, *arguments: str, below: str = "", **variables: str) -> tuple[int, str]:
        """Exit code, and what it said."""
        started = self.start(*arguments, below=below, **variables)
        return started.process.wait(110), started.said

    def left(self) -> list[psutil.Process]:
        """Processes whose folder is ours or below: also those whose parent is gone."""
        return [each for each in psutil.process_iter() if _works_in(each, self.folder)]

    def close(self) -> None:
        """Kill what was started; what that started in turn must end by itself."""
        for started in self._started:
            if started.process.poll() is None:
                started.process.kill()
                started.process.wait(30)
        try:
            until(lambda: not self.left(), 10)
        finally:
            for process in self.left():
                process.kill()


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


def environment(variables: dict[str, str]) -> dict[str, str]:
    ours = {name: text for name, text in os.environ.items() if not name.startswith(SETTINGS)}
    return {**ours, **variables}


def ask(port: int, path: str = "/health") -> dict:
    """The JSON that *port* answers; empty when nobody does."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return orjson.loads(answer.read())
    except HTTPError as error:
        return orjson.loads(error.read())
    except OSError:
        return {}
