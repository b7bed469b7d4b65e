"""A whole project in one terminal: prepared, started, and started anew when its code changes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from ..core.child import ChildProcess
from ..core.parts import Part, with_ports
from ..core.supervisor import Supervisor
from ..core.worker import BaseWorker
from ..errors import StartStopError, WorkerkitError
from .children import Children, check_ports, said_of

PREPARE = ("-m", "workerkit.cli.prepare")

MARK = '{"prepared":'
"""How the line begins with which `PREPARE` tells what it found."""

FINAL = frozenset({1, 2, 3, 4})
"""Exit codes with which a start has failed for good."""

FINAL_UNTIL_CHANGED = frozenset({1, 2})
"""Those of them that a change of the code can cure; servers and ports may come by themselves."""

RELOAD_DRAIN = 5.0
"""Seconds that a child has to finish its work when its code has changed."""


@dataclass(frozen=True)
class Prepared:
    """What is there to run, and by service what kept it from being prepared."""

    parts: tuple[Part, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """As one line, for another process."""
        told = {"parts": self.parts, "problems": self.problems}
        return orjson.dumps({"prepared": told}).decode()

    @classmethod
    def read(cls, line: str) -> Prepared:
        """What `line` gave."""
        told: dict[str, Any] = orjson.loads(line)["prepared"]
        return cls(tuple(Part(**part) for part in told["parts"]), told["problems"])


class Teller(Protocol):
    """Where `Development` says what it does; called from any thread."""

    def line(self, name: str, text: str) -> None:
        """A line of output of the child *name*."""

    def say(self, text: str) -> None:
        """A sentence of our own."""

    def starting(self, parts: Sequence[Part]) -> None:
        """Lines of *parts* will follow."""

    def ready(self, parts: Sequence[Part], seconds: float) -> None:
        """Every part answers, *seconds* after its start began."""


@dataclass(frozen=True)
class Setup:
    """What does not change while it runs; `fixed` are ports by name that are not a child's.

    `drain` in seconds is how long children have to finish at the end.
    """

    folder: Path
    environment: Mapping[str, str]
    host: str
    fixed: Mapping[str, int]
    reload: bool
    drain: float


class Development(BaseWorker):
    """Prepares and runs the children, again after each `change`.

    *beside* are workers of this process, started once the ports were checked;
    those that are *renewed* run the project's code, and so start anew with it.
    Without reload, what cannot start ends it: then `error` is set, and *ended*
    is called.
    """

    def __init__(
        self,
        setup: Setup,
        teller: Teller,
        beside: Sequence[BaseWorker],
        ended: Callable[[], None],
        renewed: Sequence[BaseWorker] = (),
    ) -> None:
        super().__init__("dev")
        self.setup = setup
        self.teller = teller
        self.beside = Supervisor([*beside, *renewed], name="beside")
        self._renewed = renewed
        self.error: WorkerkitError | None = None
        self._ended = ended
        self._children: Children | None = None
        self._ports: dict[str, int] = {}
        self._interrupted = threading.Event()
        self._changed: frozenset[Path] = frozenset()

    def change(self, paths: Sequence[Path]) -> None:
        """Start everything anew because of *paths*."""
        self._changed = self._changed | frozenset(paths)
        self._interrupted.set()

    def wake(self) -> None:
        """Interrupt whatever is waited for."""
        self._interrupted.set()

    def stop(self, timeout: float = 25.0) -> None:
        """End the children within *timeout* seconds, then what runs beside them."""
        end = time.monotonic() + timeout
        super().stop(timeout)
        if self._children is not None:
            self._children.stop(max(0.05, end - time.monotonic()))
        self.beside.stop(max(1.0, end - time.monotonic()))

    def work(self) -> None:
        """One round after each change, until stopped."""
        while not self.stopping.is_set():
            self._interrupted.clear()
            if self.stopping.is_set():
                return
            try:
                self._round()
            except WorkerkitError as error:
                if not (self.setup.reload and self.beside.alive):
                    self.error = error
                    self._ended()
                    return
                self.teller.say(f"{error}; waiting for the next change")
            self._interrupted.wait()
            if self._changed and not self.stopping.is_set():
                self._clear_away()

    def _clear_away(self) -> None:
        changed, self._changed = self._changed, frozenset()
        shown = ", ".join(sorted(_below(path, self.setup.folder) for path in changed)[:3])
        self.teller.say(f"{shown} changed: starting anew")
        if self._children is not None:
            self._children.stop(min(RELOAD_DRAIN, self.setup.drain))
            self._children = None
        for worker in self._renewed if self.beside.alive else ():
            worker.stop(RELOAD_DRAIN)
            worker.start()

    def _round(self) -> None:
        """Prepare, start, and tell when all is ready.

        Raises:
            WorkerkitError: Something is not ready and will not be without a change.
        """
        began = time.monotonic()
        prepared = self._prepare()
        if self._interrupted.is_set():
            return
        parts = with_ports(prepared.parts, self._ports, self.setup.fixed)
        self._ports = {part.name: part.port for part in parts}
        first = not self.beside.alive
        check_ports({**self._ports, **(self.setup.fixed if first else {})}, self.setup.host)
        problems = [f"{service}: {problem}" for service, problem in prepared.problems.items()]
        if problems and not self.setup.reload:
            raise StartStopError("; ".join(problems))
        if first:
            self.beside.start()
        problems += self._start(parts)
        if problems and not self._interrupted.is_set():
            raise StartStopError("; ".join(problems))
        if not self._interrupted.is_set():
            self.teller.ready(parts, time.monotonic() - began)

    def _start(self, parts: Sequence[Part]) -> list[str]:
        """Start *parts* and wait for them; return which gave up, and why."""
        children = self._children = Children(
            parts, self.teller.line, self.teller.say, folder=self.setup.folder,
            environment=self.setup.environment, host=self.setup.host,
            final=FINAL_UNTIL_CHANGED if self.setup.reload else FINAL,
        )  # fmt: skip
        self.teller.starting(parts)
        children.start()
        children.wait_ready(self._interrupted)
        return [f"{name} did not start: {children.last[name]}" for name in children.given_up]

    def _prepare(self) -> Prepared:
        """What a process of its own finds: ours would keep the code that it once imported."""
        told: list[str] = []
        child = ChildProcess(
            "prepare", [sys.executable, *PREPARE], told.append, folder=self.setup.folder,
            environment=self.setup.environment,
        )  # fmt: skip
        child.start()
        while child.alive and not self._interrupted.wait(0.01):
            pass
        child.stop(0.5)
        if self._interrupted.is_set():
            return Prepared()
        found = told.pop() if told and told[-1].startswith(MARK) else ""
        for text in told:
            self.teller.line("dev", text)
        if not found:
            raise StartStopError(told[-1] if told else f"preparing {said_of(child.exit_code or 0)}")
        return Prepared.read(found)


def _below(path: Path, folder: Path) -> str:
    root = folder.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
