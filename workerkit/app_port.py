"""The port on which a Dapr sidecar calls a worker."""

from __future__ import annotations

import logging
import time

from .observability.guard import Guard
from .observability.server import LOOPBACK, HttpServer, names_of
from .transports.dapr import BODY_LIMIT, DaprTransport

log = logging.getLogger("workerkit.dapr")

KEEP_ALIVE = 86_400
"""Seconds: the sidecar hangs up first. An event that it sends as we do is lost by a strict one."""


class AppPort(HttpServer):
    """Serves *transport*'s callbacks, to who shows *token* (APP_API_TOKEN) if there is one.

    It must be the last worker that starts: a sidecar asks what we subscribe to
    as soon as the port is open, and posts events in the same moment.
    """

    def __init__(
        self, name: str, transport: DaprTransport, host: str, port: int, token: str | None
    ) -> None:
        self.callbacks = transport.callbacks
        local = host in LOOPBACK
        if token is None and not local:
            log.warning(
                "anybody who reaches the port can send events: set APP_API_TOKEN",
                extra={"host": host, "port": port},
            )
        app = Guard(
            self.callbacks, token=token, open_paths=("/healthz",), body_limit=BODY_LIMIT,
            hosts=names_of(host),
        )  # fmt: skip
        super().__init__(name, app, host, port, keep_alive=KEEP_ALIVE)

    def start(self) -> None:
        """Take the port; the sidecar may call from here on.

        Raises:
            StartStopError: The port is taken.
        """
        super().start()
        self.callbacks.port = self.port

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what the sidecar waits for, in half of *timeout*; answer RETRY for the rest."""
        end = time.monotonic() + timeout
        self.callbacks.drain(timeout / 2)
        super().stop(max(1.0, end - time.monotonic()))
