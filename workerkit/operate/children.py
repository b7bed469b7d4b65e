"""Several processes of one project, under one supervisor."""

from __future__ import annotations

import http.client
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from ..core.child import ChildProcess
from ..core.supervisor import Supervisor
from ..errors import ConfigurationError, StartStopError
from ..observability.server import free, port_owner


@dataclass(frozen=True, slots=True)
class Part:
    """One process to run: a service in a mode, on a port; `number` tells replicas apart."""

    service: str
    mode: str
    port: int
    number: int | None = None

    @property
    def name(self) -> str:
        """As people see it, e.g. `pricing events`, or `pricing events 2`."""
        name = f"{self.service} {self.mode}"
        return name if self.number is None else f"{name} {self.number}"

    def command(self, *arguments: str) -> list[str]:
        """What runs it as a `ChildProcess`, with more *arguments* for `workerkit run`."""
        run = ("-m", "workerkit", "run", self.service, f"--mode={self.mode}", "--tied")
        return [sys.executable, *run, f"--port={self.port}", *arguments]


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


def answers(host: str, port: int, path: str = "/readyz") -> bool:
    """Whether a process on *port* says 200 to *path* within 2 s."""
    with closing(http.client.HTTPConnection(host, port, timeout=2.0)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def reachable(host: str) -> str:
    """Where a process that listens on *host* can be asked from this machine."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def with_ports(
    parts: Sequence[Part], known: Mapping[str, int] = MappingProxyType({}),
    others: Mapping[str, int] = MappingProxyType({}),
) -> list[Part]:  # fmt: skip
    """*parts* with a free port in place of each 0: the one in *known* by name, if there.

    *others* are ports, by name, that are in use beside them.

    Raises:
        ConfigurationError: Two of them want the same port.
    """
    chosen: list[Part] = []
    wanted = {port: name for name, port in others.items()}
    with ExitStack() as taken:
        for part in parts:
            port = part.port or known.get(part.name, 0)
            if not port:
                server = taken.enter_context(socket.create_server(("127.0.0.1", 0)))
                port = server.getsockname()[1]
            if port in wanted:
                raise ConfigurationError(
                    f"port {port} is wanted by {wanted[port]} and {part.name}: "
                    "give each its own under `ports` in workerkit.toml"
                )
            wanted[port] = part.name
            chosen.append(replace(part, port=port))
    return chosen


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
