"""The sidecar as a worker, to be put under a supervisor."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..core.clock import Clock
from ..core.worker import BaseWorker
from ..observability.server import LOOPBACK, HttpServer
from .app import sidecar_app
from .callbacks import Callbacks
from .channel import App
from .pubsub import PubSub


class Sidecar(HttpServer):
    """Serves Dapr's API on *pubsubs*; port 0 takes any free one, *token* is `DAPR_API_TOKEN`.

    Each of *apps* that has a port is called with what it subscribes to. On a
    loopback address it answers to local names alone; bound to anything else it
    answers to every Host, and *token* is what protects it.
    """

    def __init__(
        self,
        pubsubs: Sequence[PubSub],
        *,
        app_id: str,
        apps: Sequence[App] = (),
        host: str = "127.0.0.1",
        port: int = 3500,
        token: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        hosts = LOOPBACK if host in LOOPBACK else None
        self.pubsubs = {each.name: each for each in pubsubs}
        self.beside: list[BaseWorker] = [Callbacks(app, self.pubsubs) for app in apps if app.port]
        app = sidecar_app(self.pubsubs, app_id=app_id, token=token, hosts=hosts, clock=clock)
        super().__init__("sidecar", app, host, port)

    def start(self) -> None:
        """Take the port, then serve and begin to call the apps.

        Raises:
            StartStopError: The port is taken or cannot be used.
        """
        super().start()
        for each in self.beside:
            each.start()

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what the apps were called with, give back the rest, then end."""
        end = time.monotonic() + timeout
        for each in self.beside:
            each.stop(max(0.05, end - time.monotonic()))
        for pubsub in self.pubsubs.values():
            pubsub.close()
        super().stop(max(1.0, end - time.monotonic()))
