"""The shop in containers: built, started, asked, scaled, and rolled back under load."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import orjson
import pytest

from tests.engine import ADDRESS, compose_command, compose_variables, docker, put_wheel, run
from tests.waiting import until
from workerkit.operate.shop import example_folder

pytestmark = pytest.mark.timeout(900)

PROJECT = "shop-test"
MEGABYTE = 1_000_000
PUBLISH = "/v1.0/publish/pubsub/warehouse.stock.updated"
APIS = ("pricing-service", "catalog-service", "warehouse-service")
WORKERS = ("pricing-event-worker", "pricing-cron-worker", "catalog-cron-worker")


class Stack:
    """The compose project in *folder*."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder = folder
        self.command = command.split()

    def compose(self, *arguments: str, **variables: str) -> str:
        return run([*self.command, "-p", PROJECT, *arguments], self.folder, **variables)

    def workerkit(self, *arguments: str) -> str:
        """What our command prints, beside these containers."""
        command = [sys.executable, "-m", "workerkit", *arguments]
        return run(command, self.folder, COMPOSE_PROJECT_NAME=PROJECT)

    def status(self) -> dict[str, list[str]]:
        """What `docker ps` says of each container, by service."""
        label = "com.docker.compose.{}"
        shape = '{{.Label "' + label.format("service") + '"}} {{.Status}}'
        chosen = f"label={label.format('project')}={PROJECT}"
        found: dict[str, list[str]] = {}
        for line in docker("ps", "--filter", chosen, "--format", shape).splitlines():
            service, _, status = line.partition(" ")
            found.setdefault(service, []).append(status)
        return found

    def healthy(self, *services: str, containers: int = 1) -> None:
        """Wait until each of *services* has that many containers, all of them healthy."""

        def all_are() -> bool:
            status = self.status()
            return all(
                [("(healthy)" in each) for each in status.get(service, [])] == [True] * containers
                for service in services
            )

        until(all_are, 120)

    def get(self, port: int, path: str) -> Any:
        with urlopen(f"http://{ADDRESS}:{port}{path}", timeout=10) as answer:
            body = answer.read()
            json = answer.headers["content-type"].startswith("application/json")
            return orjson.loads(body) if json else body.decode()

    def parts(self, port: int) -> tuple[str, set[str]]:
        """The mode of the process on *port*, and the kinds of workers in it."""
        health = self.get(port, "/worker/health")
        return health["mode"], {worker["kind"] for worker in health["workers"]}

    def settled(self, service: str) -> list[int]:
        """Events that each container of *service* has settled, by its own health."""
        program = (
            "import json, urllib.request as r;"
            "health = json.load(r.urlopen('http://127.0.0.1:8002/worker/health'));"
            "print(sum(worker['jobs_processed'] for worker in health['workers']))"
        )
        containers = self.compose("ps", "-q", service).split()
        return [int(docker("exec", each, "python", "-c", program)) for each in containers]

    def publish(self, data: dict[str, Any], id: str) -> None:
        url = f"http://{ADDRESS}:3500{PUBLISH}?metadata.cloudevent.id={id}"
        request = Request(url, orjson.dumps(data), {"content-type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            assert answer.status == 204

    def sql(self, query: str) -> list[str]:
        psql = ("psql", "-h", "/var/run/postgresql", "-U", "app", "-d", "pricing", "-Atc", query)
        variables = ("-e", "PGPASSWORD=app")
        return self.compose("exec", "-T", *variables, "postgres", *psql).split()

    def applied(self, prefix: str) -> list[str]:
        """Ids of the events, with this *prefix*, that the inbox says are applied."""
        return self.sql(
            f"SELECT id FROM workerkit_inbox WHERE state = 'applied' AND id LIKE '{prefix}-%'"
        )

    def announced(self) -> list[dict[str, Any]]:
        """Every pricing.price.updated."""
        entries = ("XRANGE", "pricing.price.updated", "-", "+")
        said = self.compose("exec", "-T", "redis", "redis-cli", "--json", *entries)
        return [orjson.loads(fields[1]) for _, fields in orjson.loads(said)]


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    return compose_command()


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return PROJECT


@pytest.fixture(scope="session")
def docker_compose_file(docker_compose_command, tmp_path_factory) -> Iterator[str]:
    """A copy of the shop with the wheel of this tree, and what the shell would say."""
    variables = compose_variables()
    folder = tmp_path_factory.mktemp("compose") / "shop"
    unwanted = shutil.ignore_patterns("__pycache__", ".workerkit", ".*_cache", "*.whl")
    shutil.copytree(example_folder(), folder, ignore=unwanted)
    put_wheel(folder)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        yield str(folder / "docker-compose.yml")


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    return ["build", "up -d"]


@pytest.fixture
def stack(docker_compose_file, docker_compose_command, docker_services) -> Stack:
    opened = Stack(Path(docker_compose_file).parent, docker_compose_command)
    opened.healthy(*WORKERS, *APIS, "sidecar")
    return opened


@contextmanager
def meanwhile(action: Any) -> Iterator[list[BaseException | None]]:
    """Do *action* over and over in a thread; what came of each time."""
    outcomes: list[BaseException | None] = []
    enough = threading.Event()

    def repeat() -> None:
        while not enough.wait(0.01):
            try:
                action(len(outcomes))
                outcomes.append(None)
            except (URLError, OSError, AssertionError) as error:
                outcomes.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield outcomes
    finally:
        enough.set()
        thread.join(30)


@pytest.mark.parametrize("image", ["shop/pricing-api", "shop/pricing-worker"])
def test_an_image_is_small_and_runs_without_root(stack, image):
    (told,) = orjson.loads(docker("image", "inspect", image))
    assert told["Size"] < 200 * MEGABYTE
    assert told["Config"]["User"] == "10001"
    program = "import os; open('/app/mine', 'w')"
    with pytest.raises(AssertionError, match="PermissionError"):
        docker("run", "--rm", image, "python", "-c", program)


def test_the_curl_event_changes_the_price_and_is_announced(stack):
    assert stack.get(8001, "/prices/SKU-001")["price"] == 1349
    stack.publish({"productId": "test-123", "sku": "SKU-001", "newStock": 100}, id="curl")
    until(lambda: stack.get(8001, "/prices/SKU-001")["price"] == 1214)
    until(stack.announced)
    assert [(event["data"]["sku"], event["data"]["price"]) for event in stack.announced()] == [
        ("SKU-001", 1214)
    ]
    assert stack.get(8002, "/worker/health")["workers"][0]["jobs_processed"] == 1
    assert 'outcome="applied"' in stack.get(8002, "/metrics")
    assert "pricing-event-worker" in docker("ps", "--format", "{{.Names}}").split()
    docker("logs", "pricing-event-worker")


def test_the_stock_is_synced_within_a_minute(stack):
    until(lambda: stack.get(8011, "/products/SKU-002")["stock"] is not None, 75)


def test_a_worker_stops_and_the_api_keeps_answering(stack):
    with meanwhile(lambda number: stack.get(8001, "/prices")) as answers:
        stack.compose("stop", "pricing-event-worker")
        stack.publish({"productId": "product-002", "sku": "SKU-002", "newStock": 3}, id="stop-0")
        stack.compose("start", "pricing-event-worker")
        until(lambda: stack.applied("stop") == ["stop-0"], 60)
    assert len(answers) > 50
    assert [answer for answer in answers if answer is not None] == []


def level_of(number: int, stock: int) -> dict[str, Any]:
    """A stock level of one of 30 products."""
    product = number % 30 + 2
    return {"productId": f"product-{product:03}", "sku": f"SKU-{product:03}", "newStock": stock}


def test_event_workers_scale_to_three_that_all_take_part(stack):
    stack.compose("up", "-d", "--scale", "pricing-event-workers=3", "pricing-event-workers")
    stack.healthy("pricing-event-workers", containers=3)
    stack.compose("stop", "pricing-event-worker")
    try:
        with meanwhile(
            lambda number: stack.publish(level_of(number, number), id=f"scale-{number}")
        ) as published:
            until(lambda: all(stack.settled("pricing-event-workers")))
        confirmed = {f"scale-{number}" for number, error in enumerate(published) if error is None}
        assert len(confirmed) == len(published)
        until(lambda: len(stack.applied("scale")) >= len(confirmed))
        assert set(stack.applied("scale")) == confirmed
        shares = stack.settled("pricing-event-workers")
        assert (len(shares), sum(shares)) == (3, len(confirmed))
    finally:
        stack.compose("stop", "pricing-event-workers")
        stack.compose("start", "pricing-event-worker")


def test_back_to_inline_and_forward_under_load_loses_nothing(stack):
    def publish(number: int) -> None:
        stack.publish(level_of(number, number % 2 * 100), id=f"roll-{number}")

    apis = (8001, 8011)
    assert [stack.parts(port) for port in apis] == [("api", set())] * 2
    with meanwhile(publish) as published:
        stack.compose("stop", *WORKERS)
        stack.compose("up", "-d", "pricing-service", "catalog-service", API_MODE="inline")
        stack.healthy("pricing-service", "catalog-service")
        before = len(stack.applied("roll"))
        until(lambda: len(stack.applied("roll")) > before)
        assert [stack.parts(port) for port in apis] == [
            ("inline", {"event", "cron"}), ("inline", {"cron"})
        ]  # fmt: skip

        stack.compose("up", "-d", "pricing-service", "catalog-service", *WORKERS)
        stack.healthy("pricing-service", "catalog-service", *WORKERS)
        assert [stack.parts(port) for port in apis] == [("api", set())] * 2
        before = len(stack.applied("roll"))
        until(lambda: len(stack.applied("roll")) > before)
    confirmed = {f"roll-{number}" for number, error in enumerate(published) if error is None}
    assert len(confirmed) > 100
    until(lambda: len(stack.applied("roll")) >= len(confirmed), 60)
    assert set(stack.applied("roll")) == confirmed
    until(lambda: stack.sql("SELECT count(*) FROM workerkit_outbox") == ["0"])
    announced = [event["id"] for event in stack.announced()]
    changes = stack.sql("SELECT count(*) FROM price_changes")
    assert len(set(announced)) == len(announced) == int(changes[0])


def items(stack: Stack) -> dict[str, str]:
    """What the checklist says of docker's part in it."""
    said = stack.workerkit("checklist", "--json")
    days = orjson.loads(said)["checklist"]["days"]
    states = {item["id"]: item["state"] for day in days for item in day["items"]}
    asked = ("day1.images", "day2.compose", "day2.up", "day3.up", "day5.rollback")
    return {item: states[item] for item in asked}


def test_the_way_back_is_rehearsed_and_the_checklist_sees_what_runs(stack):
    assert stack.workerkit("deploy", "rollback", "--yes", "--host", ADDRESS).count("\nok ") > 10
    assert stack.parts(8001) == ("inline", {"event", "cron"})
    assert [name for name in WORKERS if name in stack.status()] == []
    rolled_back = items(stack)
    stack.compose("up", "-d")
    stack.healthy(*WORKERS, *APIS)
    forward = items(stack)
    assert set(forward.values()) == {"done"}
    assert rolled_back == {**forward, "day2.up": "open", "day3.up": "open"}


def test_chaos_kills_containers_of_these_images_and_nothing_is_lost(stack):
    wanted = ("--target=compose", "--quick", "--rate=20", "--json")
    said = stack.workerkit("chaos", "kill-worker", "pricing", *wanted)
    (played,) = orjson.loads(said)
    assert played["verdict"]["result"] == "pass"
    assert "workerkit-chaos-" not in docker("ps", "--all", "--format", "{{.Names}}")
