"""A TCP proxy between workers and a server, with Toxiproxy's toxics."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from ..core.worker import BaseWorker

CHUNK = 1 << 16

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


@dataclass(frozen=True, slots=True)
class Toxic:
    """What is done to all that passes; github.com/Shopify/toxiproxy has the words.

    `down` refuses and cuts connections. `latency` and `jitter` in seconds
    delay, `bandwidth` in bytes a second slows, `slicer` sends in pieces of so
    many bytes. `timeout` lets nothing pass and cuts at the end; `reset_peer`
    and `limit_data` cut with a reset, at once or after so many bytes.
    """

    down: bool = False
    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float = 0.0
    slicer: int = 0
    timeout: bool = False
    reset_peer: bool = False
    limit_data: int = 0

    def delay(self) -> float:
        """Seconds by which the next piece is late."""
        return max(0.0, self.latency + random.uniform(-self.jitter, self.jitter))


HEALTHY = Toxic()


class Proxy(BaseWorker):
    """Listens on a free port of loopback, and passes on to *upstream* until stopped."""

    def __init__(self, name: str, upstream: Address) -> None:
        super().__init__(f"proxy {name}")
        self.upstream = upstream
        self.port = 0
        self.toxic = HEALTHY
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._listening = threading.Event()

    def start(self) -> None:
        """Return once it listens."""
        super().start()
        self._listening.wait(10.0)

    def wake(self) -> None:
        """End the loop; fine when it has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._loop.stop)

    def work(self) -> None:
        """Serve until stopped."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        self._cut()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    @contextmanager
    def poisoned(self, toxic: Toxic) -> Iterator[None]:
        """*toxic* for the time of the block; what it has spoiled is cut at both its ends."""
        self.toxic = toxic
        spoils = toxic.down or toxic.timeout or toxic.reset_peer or toxic.limit_data
        if toxic.down or toxic.reset_peer:
            self._loop.call_soon_threadsafe(self._cut)
        try:
            yield
        finally:
            self.toxic = HEALTHY
            if spoils and self.alive:
                self._loop.call_soon_threadsafe(self._cut)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._kept(writer):
            if self.toxic.down:
                return
            try:
                far_reader, far_writer = await self._connect()
            except OSError:
                return
            async with self._kept(far_writer):
                ways = (self._pump(reader, far_writer), self._pump(far_reader, writer))
                tasks = [asyncio.ensure_future(way) for way in ways]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    @asynccontextmanager
    async def _kept(self, writer: asyncio.StreamWriter) -> AsyncIterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            self._open.discard(writer)
            if self.toxic.reset_peer or self.toxic.limit_data:
                _reset_on_close(writer)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                toxic = self.toxic
                if toxic.timeout:
                    continue
                if toxic.latency or toxic.jitter:
                    await asyncio.sleep(toxic.delay())
                if toxic.limit_data and passed + len(data) > toxic.limit_data:
                    return
                passed += len(data)
                await self._send(writer, data, toxic)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes, toxic: Toxic) -> None:
        size = toxic.slicer or len(data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await asyncio.sleep(len(piece) / toxic.bandwidth if toxic.bandwidth else 0.0)
            writer.write(piece)
            await writer.drain()

    def _cut(self) -> None:
        for writer in list(self._open):
            if self.toxic.reset_peer:
                _reset_on_close(writer)
            writer.close()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """RST in place of FIN (SO_LINGER of 0 s); on a socket that has one."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
