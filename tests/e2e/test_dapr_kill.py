"""Worker and sidecar are killed, again and again, under a sidecar as strict as Dapr."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.processes import Folder, Running
from tests.waiting import until

EVENTS = 5000
KILLS = int(os.environ.get("DAPR_KILLS", "2"))
"""Of worker and sidecar in turn; each costs seconds, so a longer run is made by hand."""

PROCESSING_TIMEOUT = 3.0
"""Seconds until the sidecar hands out again what it was killed with, or waits for too long."""

DAPR = """
[dapr]
receive = "{way}"
"""


class DaprFolder(Folder):
    """A project whose events come from a strict sidecar, itself a process."""

    def __init__(self, path: Path, way: str) -> None:
        self.app_port, self.http_port, self.grpc_port = free_port(), free_port(), free_port()
        self.sidecar: subprocess.Popen[bytes] | None = None
        super().__init__(path)
        self.way = way
        self.write("time.sleep(0.0005)")
        toml = path / "workerkit.toml"
        toml.write_text(toml.read_text() + DAPR.format(way=way))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ, "WORKER_TRANSPORT": "dapr", "DAPR_HTTP_PORT": str(self.http_port),
            "DAPR_GRPC_PORT": str(self.grpc_port), "APP_PORT": str(self.app_port),
            "APP_API_TOKEN": "app-secret",
        }  # fmt: skip

    def start_sidecar(self) -> None:
        http = self.way == "http"
        ports = (self.http_port, 0 if http else self.grpc_port, self.app_port if http else 0)
        with (self.path / "sidecar.log").open("ab") as log:
            self.sidecar = subprocess.Popen(
                [sys.executable, "-m", "tests.strict_sidecar", self.broker_file,
                 str(PROCESSING_TIMEOUT), "app",
                 *map(str, ports)],
                stdout=log, stderr=log, cwd=Path(__file__).parents[2],
            )  # fmt: skip

    def kill_sidecar(self) -> None:
        assert self.sidecar is not None
        self.sidecar.kill()
        self.sidecar.wait(20)

    def close(self) -> None:
        super().close()
        if self.sidecar is not None and self.sidecar.poll() is None:
            self.kill_sidecar()


@pytest.fixture(params=["http", "stream"])
def dapr(request, tmp_path) -> Iterator[DaprFolder]:
    if request.param == "stream":
        pytest.importorskip("dapr", reason="Dapr's SDK is not installed")
    opened = DaprFolder(tmp_path, request.param)
    yield opened
    opened.close()


def test_nothing_is_lost_or_done_twice_while_worker_and_sidecar_are_killed(dapr):
    dapr.publish(range(EVENTS))
    dapr.start_sidecar()
    worker: Running = dapr.run().ready()
    for turn in range(KILLS):
        goal = (turn + 1) * EVENTS // (KILLS + 2)
        until(lambda goal=goal: len(dapr.ledger()) >= goal)
        if turn % 2:
            dapr.kill_sidecar()
            dapr.start_sidecar()
        else:
            worker.kill()
            worker = dapr.run().ready()
    until(lambda: len(dapr.ledger()) >= EVENTS and not dapr.lag(), 90)
    assert dapr.ledger() == list(range(EVENTS))
    until(lambda: len({each["id"] for each in dapr.announced()}) >= EVENTS)
    assert {each["data"]["id"] for each in dapr.announced()} == set(range(EVENTS))
    assert len({each["id"] for each in dapr.announced()}) == EVENTS
    assert worker.stop() == 0
