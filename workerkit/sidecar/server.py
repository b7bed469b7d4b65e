"""The sidecar as a worker, to be put under a supervisor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..core.clock import Clock, SystemClock
from ..core.supervisor import Supervisor
from ..observability.server import HttpServer, names_of
from .app import sidecar_app
from .callbacks import Callbacks
from .channel import App
from .declared import Declared
from .pubsub import PubSub
from .runtime import Runtime
from .stores import States, Store

if TYPE_CHECKING:
    from .grpc_server import GrpcServer


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
        self._grpc = self._make_grpc(host, grpc_port, token)
        workers = [*([self._grpc] if self._grpc else ()), *self.callbacks]
        self._beside = Supervisor(workers, name="sidecar/beside")

    @property
    def grpc_port(self) -> int | None:
        """Where gRPC is served, once started; None without it."""
        return self._grpc.port if self._grpc else None

    def start(self) -> None:
        """Take the ports, then serve and begin to call the apps.

        Raises:
            StartStopError: A port is taken or cannot be used.
        """
        super().start()
        try:
            self._beside.start()
        except BaseException:
            super().stop(5.0)
            raise
        self.runtime.ready = True

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what the apps were called with, give back the rest, then end."""
        end = time.monotonic() + timeout
        self.runtime.ready = False
        self._beside.stop(timeout)
        for pubsub in self.pubsubs.values():
            pubsub.closing.set()
        super().stop(max(1.0, end - time.monotonic()))
        for pubsub in self.pubsubs.values():
            pubsub.close()

    def _make_grpc(self, host: str, port: int | None, token: str | None) -> GrpcServer | None:
        if port is None:
            return None
        from .grpc_server import GrpcServer  # noqa: PLC0415

        return GrpcServer(self.runtime, host, port, token)

    def _subscribed(self) -> list[Declared]:
        return [declared for each in self.callbacks for declared in each.declared]
