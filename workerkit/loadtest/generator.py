"""Sends requests at a constant rate, whatever becomes of the earlier ones (an open model).

A closed loop waits for an answer before it sends the next request, so a
server that stalls is asked less and its stall shows in one latency instead of
hundreds (coordinated omission; G. Tene, "How not to measure latency"). Here
request number n is due n / rate seconds after the start, and its latency runs
from that moment.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from threading import Event

from ..errors import ConfigurationError, Unreachable
from .clock import exact_loop
from .connection import CLOSED, Call, Connection
from .measured import Measured, Recorder, Second
from .target import Request, Target

TIMED_OUT, REFUSED = "timed out", "connection refused"

SWEEP = 0.02
"""Seconds between looks for what is overdue, and for an interruption."""

IN_A_ROW = 10
"""Failures without an answer between them from which on, after `patience`, the target is gone."""

INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Load:
    """How much is sent: *rate* requests/s for *duration* seconds after *warm_up* seconds.

    A request has *timeout* seconds from its intended time; at most
    *connections* are open, and as many as are needed.

    Raises:
        ConfigurationError: Nothing would be sent.
    """

    rate: float
    duration: float
    warm_up: float = 2.0
    timeout: float = 5.0
    connections: int = 100

    def __post_init__(self) -> None:
        for name, value, example in (
            ("rate", self.rate, "1000"), ("duration", self.duration, "30s"),
            ("timeout", self.timeout, "5s"), ("connections", self.connections, "100"),
        ):  # fmt: skip
            if not 0 < value < float("inf"):
                raise ConfigurationError(
                    f"--{name} is {value:g}, must be above 0, e.g. --{name} {example}"
                )
        if int(self.rate * self.duration) < 1:
            raise ConfigurationError(
                f"--rate {self.rate:g} for {self.duration:g} s sends nothing: raise one of them"
            )


def generate(
    target: Target,
    requests: Sequence[Request],
    load: Load,
    *,
    stop: Event | None = None,
    tell: Callable[[Second], object] = lambda second: None,
) -> Measured:
    """Send *requests* in turn as *load* says; *stop* ends it early, *tell* hears each second.

    Raises:
        Unreachable: The target took no connection at all.
    """
    with asyncio.Runner(loop_factory=exact_loop) as runner, _without_collector():
        return runner.run(Generator(target, requests, load, stop or Event(), tell).run())


class Generator:
    """One run; see `generate`."""

    def __init__(
        self, target: Target, requests: Sequence[Request], load: Load, stop: Event,
        tell: Callable[[Second], object],
    ) -> None:  # fmt: skip
        self.target = target
        self.load = load
        self._requests = cycle(requests)
        self._stop = stop
        self._tell = tell
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._opening: set[asyncio.Task[object]] = set()
        self._waiting: deque[Call] = deque()
        self._buffer = bytearray(1 << 16)
        self._next = 0
        self._count = int((load.warm_up + load.duration) * load.rate)
        self._in_a_row = 0
        self._most = 0
        self._ended = ""

    async def run(self) -> Measured:
        """Connect, send, wait for what is under way."""
        self._loop = asyncio.get_running_loop()
        self._done = self._loop.create_future()
        await self._reach()
        self._start = self._heard = self._loop.time()
        self._recorder = Recorder(self._start + self.load.warm_up)
        self._cpu: tuple[float, float] = time.process_time(), time.monotonic()
        timers = [asyncio.ensure_future(self._watch()), asyncio.ensure_future(self._seconds())]
        self._pump()
        try:
            await self._done
        finally:
            for task in (*timers, *self._opening):
                task.cancel()
            self._close_all()
        return self._measured()

    async def _reach(self) -> None:
        """The first connection; without it there is nothing to measure.

        Raises:
            Unreachable: Refused, or not taken in time.
        """
        try:
            async with asyncio.timeout(self.load.timeout):
                await self._connect()
        except TimeoutError:
            why = f"took no connection within {self.load.timeout:g} s"
        except OSError as error:
            why = (os.strerror(error.errno) if error.errno else str(error)).lower()
        else:
            return
        raise Unreachable(f"cannot reach {self.target.url}: {why}; does it run? `workerkit status`")

    async def _connect(self) -> None:
        await self._loop.create_connection(
            lambda: Connection(self, self._buffer), self.target.address, self.target.port
        )

    def _pump(self) -> None:
        """Send all that is due, and come again for the next."""
        now = self._loop.time()
        start, rate, recorder = self._start, self.load.rate, self._recorder
        while self._next < self._count and not self._ended:
            intended = start + self._next / rate
            if intended > now:
                self._loop.call_at(intended, self._pump)
                return
            self._next += 1
            if intended >= recorder.begin:
                recorder.intended += 1
                recorder.late.record(now - intended)
            call = Call(next(self._requests), intended)
            if self._idle:
                self._idle.pop().send(call)
            else:
                self._waiting.append(call)
                self._open_more()
        self._end_if_done()

    def _open_more(self) -> None:
        """Open a connection for each that waits, as far as allowed."""
        room = self.load.connections - len(self._all) - len(self._opening)
        for _ in range(min(room, len(self._waiting) - len(self._opening))):
            task = asyncio.ensure_future(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        why = REFUSED
        try:
            async with asyncio.timeout(self.load.timeout):
                await self._connect()
            return
        except TimeoutError:
            why = TIMED_OUT
        except OSError as error:
            why = REFUSED if isinstance(error, ConnectionRefusedError) else CLOSED
        if self._waiting:
            self._fail(self._waiting.popleft(), why)
        self._loop.call_soon(self._open_more)
        self._end_if_done()

    def connected(self, connection: Connection) -> None:
        """See `Owner`."""
        self._all.add(connection)
        self._most = max(self._most, len(self._all))
        self._take_next(connection)

    def answered(self, connection: Connection, call: Call, status: int) -> None:
        """See `Owner`."""
        now = self._heard = self._loop.time()
        self._in_a_row = 0
        self._recorder.answer(status, call.intended, now)
        if connection.open:
            self._take_next(connection)
        if self._next >= self._count:
            self._end_if_done()

    def lost(self, connection: Connection, call: Call | None, why: str) -> None:
        """See `Owner`."""
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if call is not None:
            stale = why == CLOSED and connection.used > 1 and call.sent == 1
            if stale and call.request.safe:
                # The server may have closed it, idle, just when we sent.
                self._waiting.appendleft(call)
            else:
                self._fail(call, why)
        if not self._done.done():
            self._open_more()
            self._end_if_done()

    def _take_next(self, connection: Connection) -> None:
        if self._waiting:
            connection.send(self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _fail(self, call: Call, why: str) -> None:
        if self._ended:
            return
        self._in_a_row += 1
        if why == TIMED_OUT:
            self._recorder.waited(why, call.intended, self._loop.time())
        else:
            self._recorder.failure(why, call.intended)

    async def _watch(self) -> None:
        """Time out what is overdue; end when interrupted, or when the target is gone."""
        while True:
            await asyncio.sleep(SWEEP)
            now = self._loop.time()
            oldest = now - self.load.timeout
            for connection in [c for c in self._all if c.call and c.call.intended < oldest]:
                connection.close(TIMED_OUT)
            while self._waiting and self._waiting[0].intended < oldest:
                call = self._waiting.popleft()
                self._in_a_row += 1
                self._recorder.waited(TIMED_OUT if call.sent else None, call.intended, now)
            if self._stop.is_set():
                self._end(INTERRUPTED)
            elif self._in_a_row >= IN_A_ROW and self._heard < oldest:
                self._end(self._silence())
            self._end_if_done()

    async def _seconds(self) -> None:
        """Close one second after the other, once the warm-up is over."""
        begin = self._recorder.begin
        await asyncio.sleep(begin - self._loop.time())
        self._cpu = time.process_time(), time.monotonic()
        for at in range(int(self.load.duration + self.load.timeout) + 1):
            await asyncio.sleep(begin + at + 1 - self._loop.time())
            self._tell(self._recorder.end_second(at))

    def _silence(self) -> str:
        if not self._recorder.statuses:
            return "the target answered nothing"
        said = f"the target stopped answering after {self._heard - self._start:.1f} s"
        (why, _), *_ = self._recorder.failures.most_common(1) or [(TIMED_OUT, 0)]
        return f"{said}: overloaded? lower the rate" if why == TIMED_OUT else said

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        if not self._done.done():
            self._done.set_result(None)

    def _end_if_done(self) -> None:
        busy = self._waiting or any(c.call for c in self._all)
        if self._next >= self._count and not busy and not self._done.done():
            self._done.set_result(None)

    def _close_all(self) -> None:
        for connection in list(self._all):
            connection.close()

    def _measured(self) -> Measured:
        measured = self._loop.time() - self._recorder.begin
        cpu, wall = time.process_time() - self._cpu[0], time.monotonic() - self._cpu[1]
        return self._recorder.measured(
            rate=self.load.rate,
            seconds=min(max(0.0, measured), self.load.duration)
            if self._ended
            else self.load.duration,
            connections=self._most,
            cpu=cpu / wall if wall else 0.0,
            ended=self._ended,
        )


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection meanwhile: it would stall every connection, and we make no cycles."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
