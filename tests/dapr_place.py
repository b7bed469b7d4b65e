"""A worker's transport, a local sidecar that calls it, and the broker beneath; in this process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.redis_process import free_port
from workerkit.app_port import AppPort
from workerkit.events.transport import Broker, Delivery
from workerkit.sidecar import App, PubSub, Sidecar
from workerkit.transports.dapr import DaprOptions, DaprTransport
from workerkit.transports.sqlite import SqliteTransport


class DaprPlace:
    """Start `port` once the topics are subscribed to; *options* are those of the component."""

    def __init__(
        self, folder: Path, lease: float = 30.0, group: str = "shop", **options: Any
    ) -> None:
        self.group = group
        self.broker: Broker = SqliteTransport(folder / "broker.db", lease)
        self.options = {"lease": lease, **options}
        self.app_port, self.sidecar_port = free_port(), free_port()
        self.sidecar: Sidecar | None = None
        self.transport = DaprTransport(
            DaprOptions(http_port=self.sidecar_port, wait=20),
            lease,
            lambda: SqliteTransport(folder / "broker.db", lease),
        )
        self.port = AppPort("shop/dapr", self.transport, "127.0.0.1", self.app_port, "app-secret")

    def start_sidecar(self) -> DaprPlace:
        pubsub = PubSub("pubsub", self.broker, **self.options)
        app = App(self.group, self.app_port, token="app-secret")
        self.sidecar = Sidecar([pubsub], app_id=self.group, apps=[app], port=self.sidecar_port)
        self.sidecar.start()
        self.transport.client.wait(20)
        return self

    def stop_sidecar(self) -> None:
        assert self.sidecar is not None
        self.sidecar.stop(5)
        self.sidecar = None

    def close(self) -> None:
        self.port.stop(0.2)
        if self.sidecar is not None:
            self.stop_sidecar()
        self.transport.close()
        self.broker.close()


def arrived(subscription: Any, count: int, limit: int = 10) -> list[Delivery]:
    """What comes until there are *count* deliveries, *limit* at most; a sidecar takes its time."""
    found: list[Delivery] = []
    end = time.monotonic() + 10
    while len(found) < count and time.monotonic() < end:
        found += subscription.receive(limit - len(found), 0.2)
    return found
