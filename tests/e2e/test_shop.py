"""The shop example, in a copy of its own, run by real processes on free ports."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import orjson
import pytest

from tests.waiting import until
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.operate.shop import example_folder
from workerkit.transports.sqlite import SqliteTransport

STOCK, PRICE = "warehouse.stock.updated", "pricing.price.updated"


class Shop:
    """A copy of the shop, and the processes started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        unwanted = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(example_folder(), self.folder, ignore=unwanted)
        file = self.folder / "workerkit.toml"
        file.write_text(re.sub(r"= \d{4}\b", "= 0", file.read_text()))
        self.broker = SqliteTransport(self.folder / ".workerkit" / "broker.db")
        self._started: list[subprocess.Popen[bytes]] = []
        self._ports: dict[str, int] = {}

    def run(self, module: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start `python -m MODULE` and wait until it runs."""
        log = self.folder / f"{module}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=self.folder, stderr=out, env={**os.environ, **variables},
            )  # fmt: skip
        self._started.append(process)
        until(lambda: "running on port" in log.read_text() or process.poll() is not None)
        running = re.search(r"running on port (\d+)", log.read_text())
        assert running, log.read_text()
        self._ports[module] = int(running[1])
        return process

    def ask(self, module: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of the answer to GET, or to POST with a *body*."""
        data = None if body is None else orjson.dumps(body)
        url = f"http://127.0.0.1:{self._ports[module]}{path}"
        try:
            with urlopen(Request(url, data, {"content-type": "application/json"})) as answer:
                return answer.status, orjson.loads(answer.read())
        except HTTPError as error:
            return error.code, orjson.loads(error.read())

    def url(self, module: str) -> str:
        return f"http://127.0.0.1:{self._ports[module]}"

    def command(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Exit code and standard output of `workerkit ARGUMENTS` in the shop."""
        done = subprocess.run(
            [sys.executable, "-m", "workerkit", *arguments], cwd=self.folder,
            env={**os.environ, **variables}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def publish(self, data: dict[str, Any], id: str, at: float | None = None) -> None:
        event = Event(STOCK, data, id=id, source="test", time=time.time() if at is None else at)
        self.broker.publish([Message(STOCK, encode(event))])

    def settled(self) -> bool:
        return self.broker.lag(STOCK, "pricing").events == 0

    def announced(self) -> list[dict[str, Any]]:
        """The data of every pricing.price.updated."""
        return [orjson.loads(entry.body)["data"] for entry in self.broker.read(PRICE, "", 1000)]

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait(30)
        self.broker.close()


@pytest.fixture
def shop(tmp_path) -> Iterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    opened.close()


def test_a_stock_level_changes_the_price_once_and_the_change_is_announced(shop):
    shop.run("pricing.worker", "--mode=events")
    shop.run("pricing.api")
    before = {"productId": "test-123", "sku": "SKU-001", "price": 1349, "basePrice": 1349,
              "stock": 27, "stockVersion": None}  # fmt: skip
    assert shop.ask("pricing.api", "/prices/SKU-001") == (200, before)
    for _ in range(2):
        shop.publish({"productId": "test-123", "sku": "SKU-001", "newStock": 100}, id="one")
    until(shop.settled)
    after = {**before, "price": 1214, "stock": 100}
    assert shop.ask("pricing.api", "/prices/SKU-001") == (200, after)
    del after["stockVersion"]
    assert shop.announced() == [after]
    _, (change,) = shop.ask("pricing.api", "/prices/SKU-001/history")
    assert (change["previousPrice"], change["price"], change["stock"]) == (1349, 1214, 100)
    assert change["changedAt"].endswith("Z")
    _, health = shop.ask("pricing.worker", "/worker/health")
    assert health["workers"][0]["jobs_processed"] == 1

    status, prices = shop.ask("pricing.api", "/prices")
    assert (status, len(prices), prices[0]["price"]) == (200, 37, 1214)
    status, answer = shop.ask("pricing.api", "/prices/SKU-999")
    assert (status, answer) == (404, {"detail": "no product with sku 'SKU-999'"})


def test_a_late_event_does_not_overwrite_a_newer_level(shop):
    shop.run("pricing.worker", "--mode=events")
    shop.run("pricing.api")
    product = {"productId": "test-123", "sku": "SKU-001"}
    shop.publish({**product, "newStock": 100}, id="newer", at=1_800_000_010.0)
    until(shop.settled)
    shop.publish({**product, "newStock": 3}, id="older", at=1_800_000_000.0)
    until(shop.settled)
    assert shop.ask("pricing.api", "/prices/SKU-001")[1]["stock"] == 100


def test_the_warehouse_sets_a_level_and_its_event_reaches_pricing(shop):
    shop.run("warehouse.api")
    shop.run("pricing.worker", "--mode=events")
    level = {"productId": "product-002", "sku": "SKU-002", "stock": 3, "version": 1}
    assert shop.ask("warehouse.api", "/stock/SKU-002", {"newStock": 3}) == (200, level)
    assert shop.ask("warehouse.api", "/stock/SKU-002") == (200, level)
    until(shop.announced)
    assert [(price["sku"], price["stock"]) for price in shop.announced()] == [("SKU-002", 3)]

    unknown = (404, {"detail": "no product with sku 'SKU-999'"})
    assert shop.ask("warehouse.api", "/stock/SKU-999", {"newStock": 3}) == unknown
    for wrong in ({"newStock": -1}, {"newStock": "3"}, {}, [], {"newStock": 10**12}):
        assert shop.ask("warehouse.api", "/stock/SKU-002", wrong)[0] == 422
    assert shop.ask("warehouse.api", "/stock/SKU-002")[1]["version"] == 1
    entries = shop.broker.read(STOCK, "", 10)
    assert [orjson.loads(entry.body)["data"]["version"] for entry in entries] == [1]


@pytest.mark.parametrize(
    ("module", "database", "table", "path", "body"),
    [
        ("pricing.api", "pricing.db", "prices", "/prices/SKU-001", None),
        ("warehouse.api", "warehouse.db", "stock_levels", "/stock/SKU-001", {"newStock": 3}),
    ],
)
def test_a_database_that_fails_is_503_in_one_line(shop, module, database, table, path, body):
    shop.run(module)
    with closing(sqlite3.connect(shop.folder / ".workerkit" / database)) as db:
        db.execute(f"ALTER TABLE {table} RENAME TO gone")
    answer = {"detail": "the database does not answer, try again"}
    assert shop.ask(module, path, body) == (503, answer)


def test_the_stock_goes_from_the_warehouse_into_the_cache_that_catalog_reads(shop):
    warehouse = shop.run("warehouse.api")
    url = {"WAREHOUSE_URL": shop.url("warehouse.api")}
    shop.run("catalog.api")
    shop.run("catalog.worker", "--mode=cron", **url)
    product = {"productId": "test-123", "sku": "SKU-001", "name": "Product 1"}
    code, said = shop.command("cron", "trigger", "stock_sync", "--wait", **url)
    assert (code, "37 rows in the worker on port" in said) == (0, True)
    _, shown = shop.ask("catalog.api", "/products/SKU-001")
    assert (shown.pop("stockAge") < 60, shown) == (True, {**product, "stock": 27})
    _, shown = shop.ask("catalog.api", "/products")
    assert [each["stock"] is not None for each in shown] == [True] * 37
    assert shop.ask("catalog.api", "/products/SKU-999")[0] == 404

    warehouse.kill()
    warehouse.wait(30)
    code, said = shop.command("cron", "trigger", "stock_sync", "--wait", **url)
    assert (code, "WarehouseUnreachable: http://127.0.0.1:" in said) == (5, True)
    assert shop.ask("catalog.api", "/products/SKU-001")[1]["stock"] == 27


def test_without_a_sync_catalog_shows_products_without_stock(shop):
    shop.run("catalog.api")
    status, shown = shop.ask("catalog.api", "/products/SKU-001")
    assert (status, shown["stock"], shown["stockAge"]) == (200, None, None)


def test_the_jobs_of_pricing_can_be_run_by_hand(shop):
    shop.run("pricing.api")
    path = shop.folder / ".workerkit" / "pricing.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE prices SET price = 1 WHERE sku IN ('SKU-001', 'SKU-002')")
    for job, rows in {
        "price_sync": "2 rows", "cache_warmup": "37 rows",
        "expired_prices_cleanup": "in this process", "old_events_cleanup": "in this process",
    }.items():  # fmt: skip
        code, said = shop.command("cron", "trigger", job)
        assert (code, rows in said) == (0, True), said
    assert shop.ask("pricing.api", "/prices/SKU-001")[1]["price"] == 1349
    assert sorted(price["sku"] for price in shop.announced()) == ["SKU-001", "SKU-002"]
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE prices RENAME TO gone")
    assert shop.ask("pricing.api", "/prices/SKU-001")[1]["price"] == 1349


def test_one_process_can_do_everything(shop):
    shop.run("pricing.worker", "--mode=inline")
    shop.publish({"productId": "test-123", "sku": "SKU-001", "newStock": 100}, id="one")
    until(shop.settled)
    code, said = shop.command("cron", "trigger", "price_sync", "--wait")
    assert (code, "in the worker on port" in said) == (0, True)
    assert shop.ask("pricing.worker", "/prices/SKU-001")[1]["price"] == 1214
    _, health = shop.ask("pricing.worker", "/worker/health")
    assert {worker["kind"] for worker in health["workers"]} == {"event", "cron"}


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_worker_beyond_loopback_answers_under_any_name(shop, processes):
    """127.0.0.2 stands for a container's address: a probe comes with it, or a service's name."""
    arguments = ("--mode=events", f"--processes={processes}")
    shop.run("pricing.worker", *arguments, WORKER_HOST="127.0.0.2")
    url = shop.url("pricing.worker").replace("127.0.0.1", "127.0.0.2")
    request = Request(f"{url}/readyz", headers={"host": "pricing-event-worker:8002"})
    with urlopen(request) as answer:
        assert answer.status == 200


def test_the_api_of_every_service_runs_its_workers_when_it_is_told_inline(shop):
    shop.run("pricing.api", WORKER_MODE="inline")
    shop.publish({"productId": "test-123", "sku": "SKU-001", "newStock": 100}, id="one")
    until(shop.settled)
    assert shop.ask("pricing.api", "/prices/SKU-001")[1]["price"] == 1214
    for service in ("catalog", "warehouse"):
        shop.run(f"{service}.api", WORKER_MODE="inline")
        assert shop.ask(f"{service}.api", "/readyz")[0] == 200


def test_a_worker_that_is_asked_to_stop_ends_with_0(shop):
    worker = shop.run("pricing.worker", "--mode=events")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0


def test_the_shops_own_tests_pass_in_a_copy(shop):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=shop.folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d passed", done.stdout)
