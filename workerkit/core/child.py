"""A process of our own as a worker: its output, its end, and its whole family."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from .worker import BaseWorker

LINE_LIMIT = 1 << 16
"""Bytes after which a line without an end is handed on all the same."""

_PR_SET_PDEATHSIG = 1


class ChildProcess(BaseWorker):
    """Runs *command* in a session of its own, alive as long as the process is.

    Its lines, standard output and error alike, go to *output* without their
    ends; *ended* is told the exit code (negative: the signal) while the worker
    still counts as alive, so that it may say `rest`. Whatever the process
    leaves behind in its session is killed.

    Standard input is a pipe that we hold and never write: a command that calls
    `end_with_parent` ends when we do, even by SIGKILL.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        output: Callable[[str], None],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        ended: Callable[[ChildProcess, int], None] | None = None,
    ) -> None:
        super().__init__(name)
        self.command = list(command)
        self.folder = folder
        self.environment = environment
        self.exit_code: int | None = None
        self._output = output
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._spawned = threading.Event()
        self._asking = threading.Lock()
        self._asked = False

    @property
    def pid(self) -> int | None:
        """The process, None before the first start."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Return once the process is there; does nothing while it is alive.

        Raises:
            OSError: The command cannot be started.
        """
        if self.alive:
            return
        self._process, self.exit_code, self._asked = None, None, False
        self._spawned.clear()
        super().start()
        self._spawned.wait()
        if isinstance(self.failure, OSError):
            raise self.failure

    def ask(self) -> None:
        """Ask the process to end (SIGTERM) and return; a supervisor does not start it again."""
        self.stopping.set()
        self.wake()

    def rest(self) -> None:
        """Stay ended, though nobody asked for it, until started again."""
        self.stopping.set()

    def stop(self, timeout: float = 25.0) -> None:
        """Ask the process to end; after *timeout* seconds kill it and all below it."""
        super().stop(timeout)
        if self.alive and self._process is not None:
            kill_family(self._process.pid)
            super().stop(5.0)

    def wake(self) -> None:
        """Send SIGTERM, once: a second one means "at once" to many programs."""
        with self._asking:
            process = self._process
            if process is None or self.exit_code is not None or self._asked:
                return
            self._asked = True
            with suppress(OSError):
                process.terminate()

    def work(self) -> None:
        """Start the process and wait for its end.

        On this thread, because Linux tells a child that its parent has died
        when the *thread* that started it ends: this one outlives the process.
        """
        try:
            process = self._process = self._spawn()
        except OSError as error:
            self.failure = error
            return
        finally:
            self._spawned.set()
        if self.stopping.is_set():
            self.wake()
        pump = threading.Thread(
            target=self._pump, args=(process.stdout,), name=f"{self.name} output", daemon=True
        )
        pump.start()
        _wait_for_end(process.pid)
        # Before the process is reaped: until then nobody else can have its number.
        _kill_group(process.pid)
        self.exit_code = process.wait()
        pump.join(1.0)
        if process.stdin is not None:
            process.stdin.close()
        if self._ended is not None:
            self._ended(self, self.exit_code)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=None if self.environment is None else dict(self.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _pump(self, stream: IO[bytes]) -> None:
        with stream:
            for line in iter(lambda: stream.readline(LINE_LIMIT), b""):
                try:
                    self._output(line.decode("utf-8", "replace").rstrip("\r\n"))
                except Exception:  # a child must not stall because its reader is broken
                    self.log.exception("output was not taken")


def born(pid: int) -> float | None:
    """When process *pid* began, in epoch seconds; None when there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def kill_family(pid: int) -> None:
    """SIGKILL process *pid*, what it started, and what lives in its group; fine when gone."""
    try:
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
    except psutil.Error:
        family = []
    for process in family:
        with suppress(psutil.Error):
            process.kill()
    _kill_group(pid)


def end_with_parent() -> None:
    """End this process, and its group, as soon as standard input ends.

    For a process that `ChildProcess` started. On Linux the kernel sees to it
    as well, so that an interpreter that hangs ends too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_end_with_input, name="parent", daemon=True).start()


def _end_with_input() -> None:
    while True:
        try:
            if os.read(0, 1024) == b"":
                break
        except OSError:
            break
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _wait_for_end(pid: int) -> None:
    if sys.platform != "win32" and hasattr(os, "waitid"):
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def _kill_group(pid: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
