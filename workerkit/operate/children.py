"""Several processes of one project, under one supervisor."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ..core.child import ChildProcess
from ..core.parts import Part, answers, reachable
from ..core.supervisor import Supervisor
from ..errors import StartStopError
from ..observability.server import free, port_owner


class Children(Supervisor):
    """One child process for each part; *host* is where they listen.

    `last` is the last line that each said.

    A child that ends before it was ever ready, with an exit code in *final*,
    is given up: it would fail again. All others are started again. *line* is
    told each line of output with the child's name, *say* what happened to whom.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        line: Callable[[str, str], None],
        say: Callable[[str], None],
        *,
        folder: Path,
        environment: Mapping[str, str],
        host: str = "127.0.0.1",
        arguments: Sequence[str] = (),
        final: frozenset[int] = frozenset({1, 2}),
    ) -> None:
        self.parts = list(parts)
        self.given_up: dict[str, int] = {}
        self.last: dict[str, str] = {part.name: "it said nothing" for part in parts}
        self.final = final
        self._line = line
        self._say = say
        self._host = reachable(host)
        self._ready: set[str] = set()
        self.processes = [
            ChildProcess(
                part.name, part.command(*arguments), partial(self._take, part.name),
                folder=folder, environment=environment, ended=self._ended,
            )
            for part in parts
        ]  # fmt: skip
        super().__init__(self.processes, name="children")

    def wait_ready(self, interrupted: threading.Event) -> bool:
        """Wait until each child is ready or given up; return whether all are ready.

        False at once when *interrupted* is set.
        """
        while not interrupted.is_set():
            waiting = [
                part for part in self.parts
                if part.name not in self._ready and part.name not in self.given_up
            ]  # fmt: skip
            if not waiting:
                return not self.given_up
            for part in waiting:
                if answers(self._host, part.port):
                    self._ready.add(part.name)
            interrupted.wait(0.02)
        return False

    def stop(self, timeout: float = 25.0) -> None:
        """Ask all at once, so that each has the whole of *timeout* seconds to drain."""
        for process in self.processes:
            process.ask()
        super().stop(timeout)

    def _take(self, name: str, text: str) -> None:
        self.last[name] = text.removeprefix("workerkit: ")
        self._line(name, text)

    def _ended(self, child: ChildProcess, code: int) -> None:
        if child.stopping.is_set():
            return
        if child.name in self._ready or code not in self.final:
            self._say(f"{child.name} {said_of(code)}; starting it again")
        else:
            self.given_up[child.name] = code
            child.rest()
            self._say(f"{child.name} {said_of(code)}")


def said_of(code: int) -> str:
    """An exit code in words, e.g. `was ended by SIGKILL`."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def check_ports(wanted: Mapping[str, int], host: str) -> None:
    """Refuse when any port is taken; *wanted* is by the name of who needs it.

    Raises:
        StartStopError: Names every taken port and its owner.
    """
    taken = []
    for name, port in wanted.items():
        if not free(port, host):
            owner = port_owner(port)
            taken.append(f"{port} ({name}){f' by {owner}' if owner else ''}")
    if taken:
        ports = "port" if len(taken) == 1 else "ports"
        raise StartStopError(
            f"{ports} taken: {', '.join(taken)}; end what holds them, or change workerkit.toml"
        )
