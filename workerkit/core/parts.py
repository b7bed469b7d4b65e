"""The processes that a project is made of, and the ports that they get."""

from __future__ import annotations

import http.client
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from types import MappingProxyType

from ..errors import ConfigurationError


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


def answers(host: str, port: int, path: str = "/readyz") -> bool:
    """Whether a process on *port* says 200 or 204 to *path* within 2 s."""
    with closing(http.client.HTTPConnection(host, port, timeout=2.0)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status in (200, 204)
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
