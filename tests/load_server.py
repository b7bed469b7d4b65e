"""A server with known faults, in a process of its own: `python -m tests.load_server FAULT`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
FAULTS = {
    "none": ANSWER,
    "stall": ANSWER,
    "close": b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    "until-eof": b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
    "chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "large": b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + bytes(300_000),
    "missing": b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno",
    "dies": ANSWER,
    "garbage": b"SSH-2.0-OpenSSH\r\n\r\n",
    "cut": b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok",
}


MANY = 50
"""Requests after which the server says so, or dies."""


class Answering(asyncio.Protocol):
    taken = 0

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self.transport.write(FAULTS[self.fault])
            Answering.taken += 1
            if Answering.taken == MANY and self.fault in ("none", "dies"):
                say(MANY)
                if self.fault == "dies":
                    os._exit(1)
        if self.fault in ("close", "until-eof", "cut"):
            self.transport.close()


async def stall(seconds: float) -> None:
    """Stop the whole server for *seconds*, or somewhat more, each second; say how long it was."""
    while True:
        await asyncio.sleep(1 - time.monotonic() % 1)
        began = time.monotonic()
        time.sleep(seconds)
        say(time.monotonic() - began)


def say(number: float) -> None:
    """One line on standard output."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


async def main(fault: str) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Answering(fault), "127.0.0.1", 0, backlog=1000
    )
    say(server.sockets[0].getsockname()[1])
    if fault == "stall":
        await stall(0.1)
    await server.serve_forever()


class Served:
    """Where the server answers, and the lengths of its stalls once it was ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        self.stalls: list[float] = []


@contextmanager
def serving(fault: str) -> Iterator[Served]:
    """Yields where it is."""
    command = [sys.executable, "-m", "tests.load_server", fault]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            served = Served(process)
            yield served
        finally:
            process.kill()
        served.stalls = [float(line) for line in process.stdout]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
