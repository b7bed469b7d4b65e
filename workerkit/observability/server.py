"""Our one HTTP server: an ASGI app on a thread, with a port that is taken or refused at start."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

import psutil
import uvicorn
from anyio.to_thread import current_default_thread_limiter

from ..core.worker import BaseWorker
from ..errors import StartStopError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def names_of(host: str) -> frozenset[str] | None:
    """The names that a server on *host* answers to: local ones, None (any) beyond loopback.

    In a container a probe comes with the pod's address, a scraper with the service's name.
    """
    return LOOPBACK if host in LOOPBACK else None


class HttpServer(BaseWorker):
    """Serves *app* on *host*:*port*; port 0 takes any free one, `port` tells which.

    *threads* run the app's `def` handlers; None leaves it to AnyIO, which takes
    40. An idle connection is kept for *keep_alive* seconds.
    """

    def __init__(
        self,
        name: str,
        app: Any,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        threads: int | None = None,
        keep_alive: int = 5,
    ) -> None:
        super().__init__(name)
        self.app = app
        self.threads = threads
        self.host = host
        self.port = port
        self.keep_alive = keep_alive
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None

    def start(self) -> None:
        """Take the port in the caller's thread, and return once it serves.

        Raises:
            StartStopError: The port is taken or cannot be used, or the app's own start failed.
        """
        if self.alive:
            return
        self._socket = listen(self.host, self.port)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self.app, http="httptools", loop="asyncio", log_config=None, access_log=False,
            server_header=False, timeout_graceful_shutdown=10,
            timeout_keep_alive=self.keep_alive,
        )  # fmt: skip
        self._server = _Server(config, self.threads)
        super().start()
        while not self._server.started:
            if not self.alive:
                raise StartStopError(f"{self.name}: the application did not start; see its log")
            time.sleep(0.005)

    def stop(self, timeout: float = 25.0) -> None:
        """Answer what was asked already, then end."""
        if self._server is not None:
            self._server.config.timeout_graceful_shutdown = max(1, int(timeout))
        super().stop(timeout)

    def wake(self) -> None:
        """Tell the server to end."""
        if self._server is not None:
            self._server.should_exit = True

    def work(self) -> None:
        """Serve until told to end."""
        assert self._server is not None
        assert self._socket is not None
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()


class _Server(uvicorn.Server):
    """uvicorn's; the limit of AnyIO's pool belongs to the loop that serves."""

    def __init__(self, config: uvicorn.Config, threads: int | None) -> None:
        super().__init__(config)
        self._threads = threads

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._threads is not None:
            current_default_thread_limiter().total_tokens = self._threads
        await super().startup(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        StartStopError: Taken, and by whom; or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio leaves Nagle on and each answer waits 40 ms for an ACK.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        taken.listen(2048)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            owner = port_owner(port)
            raise StartStopError(
                f"port {port} on {host} is taken{f' by {owner}' if owner else ''}: "
                "end that process, or choose another port"
            ) from None
        raise StartStopError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return taken


def port_owner(port: int) -> str:
    """Who listens on *port*, e.g. `pid 12 (python3)`; empty when that cannot be seen."""
    try:
        for connection in psutil.net_connections("tcp"):
            where: Any = connection.laddr
            if connection.status == psutil.CONN_LISTEN and where[1] == port:
                if connection.pid is None:
                    return ""
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return ""


def free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether *port* could be taken now; 0 always can."""
    try:
        listen(host, port).close()
    except StartStopError:
        return False
    return True
