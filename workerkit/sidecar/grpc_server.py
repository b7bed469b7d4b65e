"""The gRPC half of the sidecar, on an event loop of its own."""

from __future__ import annotations

import asyncio
import time

import grpc
from dapr.proto.runtime.v1 import dapr_pb2_grpc

from ..core.worker import BaseWorker
from ..errors import StartStopError
from ..observability.server import listen
from .grpc_api import DaprApi
from .runtime import Runtime

LARGEST = 4 * 2**20
"""Bytes of one message: daprd's default, and that of our HTTP."""


class GrpcServer(BaseWorker):
    """Serves *runtime* on *host*:*port*; port 0 takes any free one, `port` tells which."""

    def __init__(self, runtime: Runtime, host: str, port: int, token: str | None) -> None:
        super().__init__("sidecar/grpc")
        self.runtime = runtime
        self.host = host
        self.port = port
        self.token = token
        self._loop: asyncio.AbstractEventLoop | None = None
        self._api: DaprApi | None = None
        self._serving = False

    def start(self) -> None:
        """Return once it serves.

        Raises:
            StartStopError: The port is taken or cannot be used.
        """
        if self.alive:
            return
        # gRPC says only that it failed; this says who has the port.
        taken = listen(self.host, self.port)
        self.port = taken.getsockname()[1]
        taken.close()
        self._serving = False
        super().start()
        while not self._serving:
            if not self.alive:
                raise StartStopError(f"gRPC did not start on {self.host}:{self.port}; see the log")
            time.sleep(0.005)

    def wake(self) -> None:
        """Tell the server to end."""
        if self._loop is not None and self._api is not None and self.alive:
            self._loop.call_soon_threadsafe(self._api.ending.set)

    def work(self) -> None:
        """Serve until told to end."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        # Without this option two sidecars would share a port, and each get half of the calls.
        server = grpc.aio.server(
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", LARGEST)]
        )
        self._api = DaprApi(self.runtime, self.token)
        self._loop = asyncio.get_running_loop()
        dapr_pb2_grpc.add_DaprServicer_to_server(self._api, server)
        host = f"[{self.host}]" if ":" in self.host else self.host
        server.add_insecure_port(f"{host}:{self.port}")
        await server.start()
        self._serving = True
        await self._api.ending.wait()
        await server.stop(grace=1.0)
