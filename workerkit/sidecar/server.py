"""The sidecar as a worker, to be put under a supervisor."""

from __future__ import annotations

from ..core.clock import Clock
from ..events.transport import Transport
from ..observability.server import HttpServer, names_of
from .app import sidecar_app


class Sidecar(HttpServer):
    """Serves Dapr's publish API; port 0 takes any free one, *token* is `DAPR_API_TOKEN`.

    On a loopback address it answers to local names alone; bound to anything
    else it answers to every Host, and *token* is what protects it.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        app_id: str,
        pubsub: str = "pubsub",
        host: str = "127.0.0.1",
        port: int = 3500,
        token: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        app = sidecar_app(
            transport, app_id=app_id, pubsub=pubsub, token=token, hosts=names_of(host), clock=clock
        )
        super().__init__("sidecar", app, host, port)
