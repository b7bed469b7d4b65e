"""A worker's transport, a local sidecar that calls it, and the broker beneath; in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.ports import free_port
from workerkit.app_port import AppPort
from workerkit.core.worker import BaseWorker
from workerkit.events.transport import Broker, Delivery
from workerkit.sidecar import App, PubSub, Sidecar
from workerkit.transports.dapr import DaprOptions, DaprTransport, Stream
from workerkit.transports.sqlite import SqliteTransport


class DaprPlace:
    """Start `receivers` once the topics are subscribed to; *options* are those of the component.

    With *streams* the sidecar calls nobody: we hold a stream for each of these topics.
    """

    def __init__(
        self,
        folder: Path,
        lease: float = 30.0,
        group: str = "shop",
        streams: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.group = group
        self.broker: Broker = SqliteTransport(folder / "broker.db", lease)
        self.options = {"lease": lease, **options}
        self.streams = streams
        self.app_port, self.sidecar_port, self.grpc_port = free_port(), free_port(), free_port()
        self.sidecar: Sidecar | None = None
        self.transport = DaprTransport(
            DaprOptions(
                self.sidecar_port, self.grpc_port, receive="stream" if streams else "http", wait=20
            ),
            lease,
            lambda: SqliteTransport(folder / "broker.db", lease),
        )
        self.port = AppPort("shop/dapr", self.transport, "127.0.0.1", self.app_port, "app-secret")
        self.receivers: list[BaseWorker] = [
            *(Stream(f"stream {topic}", self.transport, topic) for topic in streams)
        ] or [self.port]

    def start_receiving(self) -> None:
        for each in self.receivers:
            each.start()

    def stop_receiving(self, timeout: float) -> None:
        for each in self.receivers:
            each.stop(timeout)

    def start_sidecar(self) -> DaprPlace:
        pubsub = PubSub("pubsub", self.broker, **self.options)
        apps = [] if self.streams else [App(self.group, self.app_port, token="app-secret")]
        self.sidecar = Sidecar(
            [pubsub], app_id=self.group, apps=apps, port=self.sidecar_port,
            grpc_port=self.grpc_port if self.streams else None,
        )  # fmt: skip
        self.sidecar.start()
        self.transport.client.wait(20)
        return self

    def stop_sidecar(self) -> None:
        assert self.sidecar is not None
        self.sidecar.stop(5)
        self.sidecar = None

    def close(self) -> None:
        self.stop_receiving(0.2)
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
