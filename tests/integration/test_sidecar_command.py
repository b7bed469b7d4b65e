"""`workerkit sidecar` as a user starts it: flags, daprd's variables, folders of YAML."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.sidecar_app import CalledApp
from tests.started import Place, ask
from tests.waiting import until
from workerkit.cli.sidecar import Request, open_sidecar
from workerkit.config.settings import read_environment
from workerkit.config.sidecar import read_sidecar_environment
from workerkit.errors import ConfigurationError, StartStopError
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.observability.server import free
from workerkit.project import Project
from workerkit.sidecar import PubSub, Sidecar
from workerkit.transports.memory import MemoryTransport
from workerkit.transports.redis_streams import RedisStreamsTransport
from workerkit.transports.sqlite import SqliteTransport

PORTS = ("--port=0", "--grpc-port=0")

COMPONENT = """
kind: Component
metadata: {{ name: events }}
spec:
  type: pubsub.redis
  metadata:
    - {{ name: redisHost, value: "127.0.0.1:{port}" }}
    - {{ name: redeliverInterval, value: "15000" }}
---
kind: Subscription
apiVersion: dapr.io/v2alpha1
spec: {{ pubsubname: events, topic: orders, routes: {{ default: /events }} }}
scopes: [pricing]
"""


@pytest.fixture
def place(place) -> Place:
    place.write("workerkit.toml", 'name = "shop"\ntransport = "sqlite"\n')
    return place


@pytest.fixture
def app() -> Iterator[CalledApp]:
    opened = CalledApp({"pubsubname": "pubsub", "topic": "orders", "route": "/events"})
    yield opened
    opened.stop()


def message() -> Message:
    return Message("orders", encode(Event("orders", 7, source="test", time=1.0)))


def test_an_app_is_named_as_daprd_names_it(place, app):
    variables = {"APP_PORT": str(app.port), "APP_ID": "pricing", "APP_API_TOKEN": "secret"}
    sidecar = place.start("sidecar", *PORTS, **variables)
    sidecar.says("running on port")
    broker = SqliteTransport(place.folder / ".workerkit" / "broker.db")
    broker.publish([message()])
    until(lambda: app.data() == [7])
    until(lambda: broker.lag("orders", "pricing").events == 0)
    broker.close()
    assert app.headers[0]["dapr-api-token"] == "secret"
    assert sidecar.signal(signal.SIGTERM) == 0


def test_components_are_opened_where_a_given_folder_says(place, redis, redis_url):
    pytest.importorskip("yaml", reason="needs the extra dapr")
    app = CalledApp()
    place.write("components/events.yaml", COMPONENT.format(port=redis.port))
    sidecar = place.start(
        "sidecar", *PORTS, "--resources-path=components", "--app-id=pricing",
        f"--app-port={app.port}",
    )  # fmt: skip
    try:
        sidecar.says("running on port")
        assert "events.yaml:2: component events: ignores redeliverInterval" in sidecar.said
        port = int(re.search(r"running on port (\d+)", sidecar.said)[1])
        names = [each["name"] for each in ask(port, "/v1.0/metadata")["components"]]
        assert names == ["events", "pubsub", "statestore"]
        transport = RedisStreamsTransport(redis_url)
        transport.publish([message()])
        until(lambda: app.data() == [7])
        until(lambda: transport.lag("orders", "pricing").events == 0)
        transport.close()
    finally:
        app.stop()


@pytest.mark.parametrize(
    ("folder", "lacking"), [(False, "no gRPC"), (True, "no gRPC and deploy/dapr is not read")]
)
def test_without_the_extra_it_serves_http_and_says_what_is_missing(
    place, monkeypatch, folder, lacking
):
    for module in ("sidecar.server", "config.dapr_files"):
        monkeypatch.setattr(f"workerkit.{module}.find_spec", lambda name: None)
    if folder:
        place.write("deploy/dapr/events.yaml", COMPONENT.format(port=1))
    with closing(Project.open(place.folder, read_environment())) as project:
        sidecar, notes = open_sidecar(project, Request(port=0, grpc_port=0))
        assert notes == [f"sidecar: {lacking}: pip install 'workerkit[dapr]'"]
        sidecar.start()
        names = [each["name"] for each in ask(sidecar.port, "/v1.0/metadata")["components"]]
        sidecar.stop(2)
    assert (sidecar.grpc_port, names) == (None, ["pubsub", "statestore"])


def test_a_folder_that_is_not_there_is_told(place):
    said = "--resources-path: there is no folder none"
    with (
        closing(Project.open(place.folder, read_environment())) as project,
        pytest.raises(ConfigurationError, match=said),
    ):
        open_sidecar(project, Request(resources=Path("none")))


def test_a_port_that_is_none_is_told_with_the_variables_name(monkeypatch):
    monkeypatch.setenv("APP_PORT", "tcp://10.0.0.1:80")
    with pytest.raises(ConfigurationError, match=r"^environment variable APP_PORT: "):
        read_sidecar_environment()


def test_a_taken_grpc_port_is_told_with_its_owner_and_nothing_stays_open():
    pytest.importorskip("grpc", reason="needs the extra dapr")
    http = free_port()
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        pubsub = PubSub("pubsub", MemoryTransport())
        sidecar = Sidecar([pubsub], app_id="a", port=http, grpc_port=port)
        with pytest.raises(StartStopError, match=f"port {port} on 127.0.0.1 is taken by pid"):
            sidecar.start()
    assert free(http)
