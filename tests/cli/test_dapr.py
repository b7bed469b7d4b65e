"""A project whose events go by way of a Dapr sidecar, used from the command line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.ports import free_port
from tests.shops import TOML
from tests.started import Place, ask
from workerkit.errors import StorageError
from workerkit.process import Process
from workerkit.sidecar import App, PubSub, Sidecar
from workerkit.transports.sqlite import SqliteTransport
from workerkit.trial.stage import own_copy

DAPR = """
[sidecar]
port = {port}
"""


@pytest.fixture
def port(shop, monkeypatch) -> int:
    """Where the sidecar of the project is looked for."""
    for name in ("WORKER_TRANSPORT", "DAPR_HTTP_PORT", "APP_PORT", "APP_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    chosen = free_port()
    toml = 'transport = "dapr"' + TOML + DAPR.format(port=chosen)
    (shop.path / "workerkit.toml").write_text(toml.format(module=shop.module, port=shop.port))
    return chosen


@pytest.fixture
def sidecar(shop, port) -> Iterator[Sidecar]:
    """A sidecar that calls the worker of the project."""
    with closing(shop.broker()) as broker:
        app = App("shop", shop.port + 100)
        opened = Sidecar([PubSub("pubsub", broker)], app_id="shop", apps=[app], port=port)
        opened.start()
        yield opened
        opened.stop(5)


def test_an_event_goes_through_the_sidecar_and_its_story_is_told(shop, sidecar):
    shop.start(port=shop.port)
    answer = shop.call("publish", "orders", "--data", '{"orderId": 7}', "--wait", "--json")
    assert answer.code == 0
    ((told,),) = [story["consumers"] for story in answer.json["stories"]["stories"]]
    assert (told["consumer"], told["outcome"]) == ("shop/order", "applied")
    (event,) = shop.kept("orders")
    assert (event["data"], event["source"]) == ({"orderId": 7}, "cli")
    assert [each["data"] for each in shop.kept("orders.booked")] == [{"orderId": 7}]


def test_a_sidecar_that_is_not_there_is_named_in_one_line(shop, port):
    answer = shop.call("publish", "orders", "--data", '{"orderId": 7}')
    assert answer.code == 3
    assert answer.err.startswith(f"workerkit: dapr sidecar 127.0.0.1:{port} does not answer")
    assert answer.err.count("\n") == 1


def test_a_worker_waits_for_its_sidecar_until_it_is_told_to_end(shop, port):
    place = Place(shop.path)
    with closing(place):
        worker = place.start("run", "--mode=events")
        worker.says(f"127.0.0.1:{port} does not answer")
        assert worker.signal(signal.SIGINT) == 130
        assert "running on port" not in worker.said


def test_a_worker_waits_for_its_sidecar_no_longer_than_it_is_told(shop, port, monkeypatch):
    monkeypatch.setenv("DAPR_HEALTH_TIMEOUT", "0.3")
    with closing(shop.open()) as project:
        process = Process(project, "shop", "events")
        with pytest.raises(StorageError, match=r"does not answer.*waited 0.3 s"):
            process.wait_for_sidecar(threading.Event())


def test_a_load_test_has_a_broker_of_its_own_and_needs_no_sidecar(shop, port):
    with (
        closing(shop.open()) as project,
        own_copy(project, "separated", threading.Event()) as stage,
    ):
        assert isinstance(stage.project.transport, SqliteTransport)
        (url,) = stage.ports.values()
        assert ask(int(url.rpartition(":")[2]))["status"] == "running"


def test_several_processes_behind_one_callback_port_are_refused(shop, port):
    answer = shop.call("run", "--processes", "2")
    assert answer.code == 2
    assert "a Dapr sidecar calls one port" in answer.err


def test_the_doctor_looks_for_the_sidecar(shop, port):
    found = {each["name"]: each for each in shop.call("doctor", "--json").json["checks"]}
    assert found["dapr sidecar"]["level"] == "fail"
    assert "DAPR_HTTP_PORT" in found["dapr sidecar"]["fact"]


def test_the_doctor_finds_the_sidecar(shop, sidecar):
    found = {each["name"]: each for each in shop.call("doctor", "--json").json["checks"]}
    assert found["dapr sidecar"]["level"] == "ok"
