"""An event loop whose clock jumps to the next timer, and a server that lives in it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any

from workerkit.loadtest.generator import Generator, Load
from workerkit.loadtest.measured import Measured, Second
from workerkit.loadtest.target import Target, request

TARGET = Target("127.0.0.1", 1, "127.0.0.1")


class _Jump(selectors.SelectSelector):
    """Waits for nothing: the clock goes forward instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits, and nothing will ever happen"
        self.now += max(0.0, timeout)
        return []


@dataclass
class Server:
    """Answers request *n*, taken at *now*, after `delay(now, n)` seconds; None never.

    `accepts(now)` is True, False (refused), or None (the accept queue is full).
    """

    delay: Callable[[float, int], float | None] = lambda now, n: 0.001
    status: Callable[[int], int] = lambda n: 200
    accepts: Callable[[float], bool | None] = lambda now: True
    taken: int = 0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Every connection is one to *server*."""

    def __init__(self, server: Server) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self.server = server
        self.transports: list[_Transport] = []

    def time(self) -> float:
        return self._jump.now

    async def create_connection(self, factory: Any, *arguments: Any, **options: Any) -> Any:
        accepts = self.server.accepts(self.time())
        if accepts is None:
            await asyncio.sleep(1e6)
        if not accepts:
            raise ConnectionRefusedError("refused")
        protocol = factory()
        transport = _Transport(self, protocol)
        self.transports.append(transport)
        protocol.connection_made(transport)
        return transport, protocol

    def crash(self) -> None:
        """The server's process dies: every connection is reset."""
        for transport in self.transports:
            transport.abort()


class _Transport(asyncio.Transport):
    def __init__(self, loop: VirtualLoop, protocol: Any) -> None:
        super().__init__()
        self.loop = loop
        self.protocol = protocol
        self.closed = False

    def write(self, data: Any) -> None:
        server = self.loop.server
        server.taken += 1
        delay = server.delay(self.loop.time(), server.taken)
        if delay is not None:
            status = server.status(server.taken)
            answer = b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nok" % status
            self.loop.call_later(delay, self._deliver, answer)

    def _deliver(self, answer: bytes) -> None:
        if not self.closed:
            self.protocol.get_buffer(-1)[: len(answer)] = answer
            self.protocol.buffer_updated(len(answer))

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            self.loop.call_soon(self.protocol.connection_lost, None)

    close = abort


def measure(
    server: Server,
    load: Load,
    *,
    crash_at: float | None = None,
    stop_at: float | None = None,
    tell: Callable[[Second], object] = lambda second: None,
) -> Measured:
    """What the generator makes of *server*; times in seconds from the start."""
    loop = VirtualLoop(server)
    stop = Event()
    if crash_at is not None:
        loop.call_later(crash_at, loop.crash)
    if stop_at is not None:
        loop.call_later(stop_at, stop.set)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        generator = Generator(TARGET, [request(TARGET, "/")], load, stop, tell)
        return runner.run(generator.run())
