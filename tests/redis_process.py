"""A real Redis server for tests, started by the tests themselves."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.ports import free_port


class RedisProcess:
    """A `redis-server` of our own on a free port of loopback, with *options* such as `--maxmemory`.

    It keeps its data over `kill` and `start` only with `appendonly=True`.
    """

    def __init__(self, *options: str, appendonly: bool = False) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("no Redis server is installed (redis-server)")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._command = [
            program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder),
            "--save", "", "--appendonly", "yes" if appendonly else "no", *options,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> RedisProcess:
        """Return once it answers."""
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while self.command("PING") != b"+PONG":
            assert self.process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, "Redis did not start in time"
            time.sleep(0.02)
        return self

    def command(self, *words: str) -> bytes:
        """The first line of the answer, empty when nobody answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(" ".join(words).encode() + b"\r\n")
                return connection.makefile("rb").readline().strip()
        except OSError:
            return b""

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def close(self) -> None:
        """End it and remove its files."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
