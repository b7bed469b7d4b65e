"""The project's processes, under the hands of a chaos run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from ..core.child import ChildProcess
from ..core.parts import Part, answers
from ..errors import StartStopError

START = 30.0
"""Seconds that a process has to be ready."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process to be: `ready` is the path on its port that says 200 once it is."""

    name: str
    mode: str
    port: int
    command: Sequence[str]
    ready: str = "/livez"

    @classmethod
    def of(cls, part: Part) -> Program:
        """What runs *part*."""
        return cls(part.name, part.mode, part.port, part.command())


class Rig:
    """Starts *programs* in *folder*, and disturbs them; ends all of them at exit.

    Their lines go to *log*. `restart_dead` is what starts a process again that
    has died, as whoever runs it in production would.
    """

    def __init__(
        self, programs: Sequence[Program], folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        self.programs = list(programs)
        self._log = log.open("a", encoding="utf-8")
        self._frozen: set[str] = set()
        self._wanted: set[str] = set()
        self._children = {
            program.name: ChildProcess(
                program.name, program.command, self._line(program.name), folder=folder,
                environment=environment, ended=self._ended,
            )
            for program in self.programs
        }  # fmt: skip

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, *names: str) -> None:
        """Start the processes *names*, and wait until they are ready.

        Raises:
            StartStopError: One ended or was not ready in time; says what it said last.
        """
        chosen = [program for program in self.programs if program.name in names]
        for program in chosen:
            self._wanted.add(program.name)
            self._children[program.name].start()
        end = time.monotonic() + START
        for program in chosen:
            while not answers("127.0.0.1", program.port, program.ready):
                if not self._children[program.name].alive or time.monotonic() > end:
                    raise StartStopError(
                        f"{program.name} did not start; its log is {self._log.name}"
                    )
                time.sleep(0.02)

    def named(self, mode: str) -> list[str]:
        """The processes that run in *mode*."""
        return [program.name for program in self.programs if program.mode == mode]

    def port(self, name: str) -> int:
        """Where the process *name* listens."""
        return next(program.port for program in self.programs if program.name == name)

    def kill(self, name: str) -> None:
        """SIGKILL, and wait for the end."""
        self._wanted.discard(name)
        self._send(name, signal.SIGKILL)
        self._children[name].stop(10.0)

    def drain(self, name: str, timeout: float) -> int | None:
        """SIGTERM, and wait; the exit code, None when it did not end in *timeout* seconds."""
        self._wanted.discard(name)
        self._children[name].stop(timeout)
        return self._children[name].exit_code

    def freeze(self, name: str) -> None:
        """SIGSTOP: it stands still and holds what it holds."""
        self._frozen.add(name)
        self._send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._frozen.discard(name)
        self._send(name, signal.SIGCONT)

    @contextmanager
    def files_full(self, *names: str) -> Iterator[None]:
        """Have the processes *names* write nothing beyond the first byte of any file.

        By their limit RLIMIT_FSIZE, which Linux lets a parent set: the same as
        a full disk for them, and for nobody else.
        """
        pids = [pid for name in names if (pid := self._children[name].pid) is not None]
        before = [psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE) for pid in pids]
        try:
            for pid, (_, hard) in zip(pids, before, strict=True):
                psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (1, hard))
            yield
        finally:
            for pid, limits in zip(pids, before, strict=True):
                with suppress(psutil.Error):
                    psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, limits)

    def restart_dead(self) -> None:
        """Start again what has ended without us."""
        for name, child in self._children.items():
            if not child.alive and name in self._wanted:
                self.start(name)

    def close(self) -> None:
        """End every process; idempotent."""
        for name in list(self._frozen):
            with suppress(OSError):
                self.thaw(name)
        for child in self._children.values():
            child.ask()
        for child in self._children.values():
            child.stop(10.0)
        self._log.close()

    def _send(self, name: str, number: int) -> None:
        pid = self._children[name].pid
        if pid is not None:
            os.kill(pid, number)

    def _line(self, name: str) -> Callable[[str], None]:
        def write(text: str) -> None:
            self._log.write(f"{name}: {text}\n")
            self._log.flush()

        return write

    def _ended(self, child: ChildProcess, code: int) -> None:
        self._line(child.name)(f"ended with {code}")
        child.rest()
