"""The dashboard as a worker, to be put under a supervisor."""

from __future__ import annotations

import threading

from ..observability.server import HttpServer
from .access import Access
from .app import dashboard_app
from .masking import Masks
from .model import Actions, Looks


class Dashboard(HttpServer):
    """Serves the page; port 0 takes any free one. Without *actions* it can only look."""

    def __init__(
        self,
        looks: Looks,
        actions: Actions | None,
        access: Access,
        *,
        masks: Masks | None = None,
        host: str = "127.0.0.1",
        port: int = 8080,
    ) -> None:
        self._closing = threading.Event()
        app = dashboard_app(looks, actions, access, masks=masks, closing=self._closing)
        super().__init__("dashboard", app, host, port)

    def start(self) -> None:
        """Take the port, and return once it serves."""
        self._closing.clear()
        super().start()

    def wake(self) -> None:
        """End the streams of changes too, which would never end by themselves."""
        self._closing.set()
        super().wake()
