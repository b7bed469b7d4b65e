"""`workerkit dev`, as real processes on free ports."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.ports import free_port
from tests.started import Place, Started, ask
from tests.waiting import until
from workerkit.sidecar import grpc_installed

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal" / "app.py"

WIRE = """
import os

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from workerkit import EventWorker, Service

VERSION = 1


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        print("handled", order["id"])


def show(request):
    ports = [os.environ.get(name) for name in ("DAPR_HTTP_PORT", "DAPR_GRPC_PORT")]
    return JSONResponse({"version": VERSION, "sidecar": ports})


def wire(settings):
    print("wiring shop")
    return Service("shop", api=lambda: Starlette(routes=[Route("/", show)]),
                   events=[OrderWorker()])
"""

TOML = """
name = "test"
[services.shop]
wire = "shop.wire:wire"
ports = {{ api = {api}, events = {events} }}
[sidecar]
port = {sidecar}
grpc_port = {grpc}
"""


class DevPlace(Place):
    """A project `shop` with an API and an event worker."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ports = {name: free_port() for name in ("api", "events", "sidecar", "grpc")}
        self.write("shop/__init__.py", "")
        self.write("shop/wire.py", WIRE)
        self.write("workerkit.toml", TOML.format(**self.ports))

    def dev(self, *arguments: str, **variables: str) -> Started:
        return self.start("dev", "--no-dashboard", *arguments, **variables)

    def ready(self, *arguments: str, **variables: str) -> Started:
        return self.dev(*arguments, **variables).says("ready after")

    def version(self) -> int | None:
        return ask(self.ports["api"], "/").get("version")


@pytest.fixture
def place(tmp_path) -> Iterator[DevPlace]:
    """The project; nothing that runs in its folder may outlive the test."""
    folder = tmp_path / "project"
    folder.mkdir()
    opened = DevPlace(folder)
    yield opened
    opened.close()


def test_everything_runs_when_it_says_ready_and_sigterm_ends_all_with_0(place):
    dev = place.ready()
    for mode in ("api", "events"):
        port = place.ports[mode]
        assert re.search(rf"^shop +{mode} +http://127.0.0.1:{port}$", dev.said, re.M)
        assert ask(port, "/readyz") == {"status": "running"}
    assert re.search(rf"^sidecar +- +http://127.0.0.1:{place.ports['sidecar']}$", dev.said, re.M)
    http, grpc = (str(place.ports[name]) for name in ("sidecar", "grpc"))
    told = ask(place.ports["api"], "/")["sidecar"]
    if grpc_installed():
        assert told == [http, grpc]
        assert re.search(rf"^sidecar +grpc +grpc://127.0.0.1:{grpc}$", dev.said, re.M)
    else:
        assert told == [http, None]
        assert "sidecar: no gRPC: pip install 'workerkit[dapr]'" in dev.said
    assert place.call("publish", "orders", "--data", '{"id": 7}')[0] == 0
    dev.says("shop events | handled 7")
    assert dev.signal(signal.SIGTERM) == 0
    assert place.left() == []
    assert dev.said.count("stopped, gave back 0") == 2
    assert "\x1b" not in dev.said


def test_sigint_ends_all_with_130(place):
    assert place.ready().signal(signal.SIGINT) == 130
    assert place.left() == []


def test_a_second_signal_ends_all_at_once(place):
    place.write("shop/wire.py", WIRE.replace('print("handled"', 'import time; time.sleep(60); (""'))
    dev = place.ready()
    assert place.call("publish", "orders", "--data", '{"id": 7}')[0] == 0
    until(lambda: ask(place.ports["events"])["workers"][0]["lag"] == 1)
    dev.process.send_signal(signal.SIGINT)
    until(lambda: ask(place.ports["events"]).get("status") == "stopped")
    assert dev.signal(signal.SIGINT) == 130
    until(lambda: not place.left(), 5)


def test_sigkill_leaves_no_process(place):
    dev = place.ready()
    assert len(psutil.Process(dev.process.pid).children(recursive=True)) == 2
    dev.signal(signal.SIGKILL)
    until(lambda: not place.left(), 5)


def test_without_a_sidecar_none_runs_and_children_know_of_none(place):
    dev = place.ready("--no-sidecar")
    assert ask(place.ports["api"], "/")["sidecar"] == [None, None]
    assert "sidecar" not in dev.said
    assert dev.signal(signal.SIGTERM) == 0


def test_every_taken_port_is_told_with_its_owner_and_nothing_starts(place):
    with (
        closing(socket.create_server(("127.0.0.1", place.ports["api"]))),
        closing(socket.create_server(("127.0.0.1", place.ports["sidecar"]))),
    ):
        code, text = place.call("dev")
    (line,) = [line for line in text.splitlines() if line.startswith("workerkit: ")]
    assert code == 4
    assert f"{place.ports['api']} (shop api) by pid {os.getpid()} " in line
    assert f"{place.ports['sidecar']} (sidecar) by pid {os.getpid()} " in line
    assert str(place.ports["events"]) not in line
    assert "running on port" not in text


def test_a_second_dev_in_one_project_is_refused_with_the_firsts_pid(place):
    first = place.ready()
    code, text = place.call("dev")
    assert code == 4
    assert f"runs already as pid {first.process.pid}" in text
    assert first.signal(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not place.left(), 5)
    assert place.ready().signal(signal.SIGTERM) == 0


def test_two_parts_on_one_port_are_refused(place):
    place.write("workerkit.toml", TOML.format(**{**place.ports, "events": place.ports["api"]}))
    code, text = place.call("dev")
    assert code == 2
    assert f"port {place.ports['api']} is wanted by shop api and shop events" in text


def test_a_change_of_code_is_picked_up_and_data_is_not(place):
    dev = place.ready()
    assert place.version() == 1
    place.write(".workerkit/generated.py", "x = 1\n")
    place.write("shop/notes.txt", "nothing\n")
    place.write("shop/wire.py", WIRE.replace("VERSION = 1", "VERSION = 22"))
    dev.says("ready after", 2)
    assert place.version() == 22
    assert "shop/wire.py changed: starting anew" in dev.said
    assert dev.said.count("starting anew") == 1
    assert dev.signal(signal.SIGTERM) == 0


def test_a_service_that_is_added_is_started(place):
    dev = place.ready()
    port = free_port()
    place.write("second.py", WIRE.replace('"shop"', '"second"'))
    toml = (place.folder / "workerkit.toml").read_text()
    place.write("workerkit.toml", f"{toml}\n[services.second]\nwire = \"second:wire\"\n"
                f"modes = [\"api\"]\nports = {{ api = {port} }}\n")  # fmt: skip
    until(lambda: ask(port, "/readyz") == {"status": "running"})
    assert dev.signal(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (WIRE + "\ndef (:\n", r"shop/wire\.py:\d+: SyntaxError: "),
        (WIRE.replace("api=lambda: Starlette", "api=lambda: 1 / 0, x=lambda: Starlette"), "shop: "),
        (WIRE.replace("api=lambda: Starlette(", "api=lambda: [][0]("), "shop api did not start"),
    ],
)
def test_broken_code_leaves_dev_alive_until_it_is_mended(place, broken, said):
    dev = place.ready()
    place.write("shop/wire.py", broken)
    dev.says("waiting for the next change")
    assert re.search(said, dev.said), dev.said
    assert dev.said.count("wiring shop") < 8
    place.write("shop/wire.py", WIRE.replace("VERSION = 1", "VERSION = 333"))
    dev.says("ready after", 2)
    assert place.version() == 333
    assert dev.signal(signal.SIGTERM) == 0
    assert place.left() == []


def test_it_starts_with_broken_code_too(place):
    place.write("shop/wire.py", "def (:\n")
    dev = place.dev().says("waiting for the next change")
    place.write("shop/wire.py", WIRE)
    dev.says("ready after")
    assert dev.signal(signal.SIGINT) == 130


def test_without_reload_broken_code_ends_it_with_4(place):
    place.write("shop/wire.py", "def (:\n")
    code, text = place.call("dev", "--no-reload")
    assert code == 4
    assert text.splitlines()[-1].startswith("workerkit: shop: shop/wire.py:1: SyntaxError")


def test_a_killed_child_comes_back(place):
    dev = place.ready("--no-reload")
    worker = next(
        child for child in psutil.Process(dev.process.pid).children()
        if "--mode=events" in child.cmdline()
    )  # fmt: skip
    worker.kill()
    dev.says("shop events was ended by SIGKILL; starting it again")
    dev.says("shop events: running on port", 2)
    assert dev.signal(signal.SIGTERM) == 0


def test_port_0_takes_a_free_one(place):
    place.write("workerkit.toml", TOML.format(api=0, events=0, sidecar=0, grpc=0))
    dev = place.ready()
    ports = [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)$", dev.said, re.M)]
    assert len(set(ports)) == 3
    assert ask(ports[0], "/readyz") == {"status": "running"}
    assert dev.signal(signal.SIGTERM) == 0


def test_the_minimal_example_runs_without_a_project_file(tmp_path):
    folder = tmp_path / "minimal"
    folder.mkdir()
    shutil.copy(EXAMPLE, folder / "app.py")
    place = Place(folder)
    try:
        running = place.start("run", "--port=0").says("app all: running on port")
        code, text = place.call("publish", "orders", "--data", '{"id": 7, "amount": 5}', "--wait")
        assert code == 0, text
        assert running.signal(signal.SIGTERM) == 0
    finally:
        place.close()


def test_the_sidecar_runs_alone(place):
    sidecar = place.start("sidecar", "--port=0", "--grpc-port=0").says("gRPC")
    port = int(re.search(r"running on port (\d+)", sidecar.said)[1])
    until(lambda: ask(port, "/v1.0/metadata"))
    assert sidecar.signal(signal.SIGTERM) == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, text = place.call("sidecar", f"--port={port}")
    assert (code, text.splitlines()[-1].partition(" by ")[0]) == (
        4, f"workerkit: port {port} on 127.0.0.1 is taken",
    )  # fmt: skip
