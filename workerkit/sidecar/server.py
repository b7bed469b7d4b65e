"""The sidecar as a worker, to be put under a supervisor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.util import find_spec

from ..core.clock import Clock, SystemClock
from ..core.worker import BaseWorker
from ..observability.server import HttpServer, names_of
from .app import sidecar_app
from .callbacks import Callbacks
from .channel import App
from .declared import Declared
from .pubsub import PubSub
from .runtime import Runtime
from .stores import States, Store


def grpc_installed() -> bool:
    """Whether the extra `dapr` is there, which gRPC needs."""
    return all(find_spec(name) for name in ("dapr", "grpc"))


class Sidecar(HttpServer):
    """Serves Dapr's API on *pubsubs* and *stores*; port 0 takes any free one.

    *token* is `DAPR_API_TOKEN`. Each of *apps* that has a port is called with
    what it subscribes to and with *subscriptions*. *grpc_port* None serves HTTP
    alone, anything else needs the extra `dapr`. On a loopback address it
    answers to local names alone; bound to anything else it answers to every
    Host, and *token* is what protects it.
    """

    def __init__(
        self,
        pubsubs: Sequence[PubSub],
        *,
        app_id: str,
        stores: Sequence[Store] = (),
        apps: Sequence[App] = (),
        subscriptions: Sequence[Declared] = (),
        host: str = "127.0.0.1",
        port: int = 3500,
        grpc_port: int | None = None,
        token: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.pubsubs = {each.name: each for each in pubsubs}
        self.callbacks = [Callbacks(app, self.pubsubs, subscriptions) for app in apps if app.port]
        self.runtime = Runtime(
            app_id, self.pubsubs, States(stores), clock or SystemClock(), self._subscribed
        )
        app = sidecar_app(self.runtime, token=token, hosts=names_of(host))
        super().__init__("sidecar", app, host, port)
        self.beside: list[BaseWorker] = [*self.callbacks]
        if grpc_port is not None:
            from .grpc_server import GrpcServer  # noqa: PLC0415

            self.beside.insert(0, GrpcServer(self.runtime, host, grpc_port, token))

    @property
    def grpc_port(self) -> int | None:
        """Where gRPC is served, once started; None without it."""
        return next((each.port for each in self.beside if hasattr(each, "port")), None)

    def start(self) -> None:
        """Take the ports, then serve and begin to call the apps.

        Raises:
            StartStopError: A port is taken or cannot be used.
        """
        super().start()
        begun: list[BaseWorker] = []
        try:
            for each in self.beside:
                begun.append(each)
                each.start()
        except BaseException:
            self._end(begun, 5.0)
            super().stop(5.0)
            raise

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what the apps were called with, give back the rest, then end."""
        end = time.monotonic() + timeout
        self._end(self.beside, timeout)
        for pubsub in self.pubsubs.values():
            pubsub.closing.set()
        super().stop(max(1.0, end - time.monotonic()))
        for pubsub in self.pubsubs.values():
            pubsub.close()

    def _end(self, workers: Sequence[BaseWorker], timeout: float) -> None:
        end = time.monotonic() + timeout
        for each in reversed(workers):
            each.stop(max(0.05, end - time.monotonic()))

    def _subscribed(self) -> list[Declared]:
        return [declared for each in self.callbacks for declared in each.declared]
