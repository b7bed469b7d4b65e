"""The jobs, on a database and a cache in memory; the warehouse is whatever a test says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from workerkit import Cache, StorageError

from catalog.payloads import Level
from catalog.stock import StockCache
from catalog.warehouse import Warehouse, WarehouseUnreachable
from catalog.worker.cron.stock_sync import StockSyncJob
from pricing.models import Price, PriceChange
from pricing.use_case import PricingUseCase
from pricing.worker.cron.cache_warmup import CacheWarmupJob
from pricing.worker.cron.cleanup import HISTORY, ExpiredPricesCleanupJob, OldEventsCleanupJob
from pricing.worker.cron.price_sync import PriceSyncJob


class Context:
    """A run's context that keeps what a job publishes."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session
        self.rows = 0
        self.commits = 0
        self.published: list[Any] = []
        self.stopping = False

    def publish(self, topic: str, data: Any) -> None:
        self.published.append((topic, data.sku, data.price))

    def commit(self) -> None:
        self.commits += 1
        if self.session is not None:
            self.session.flush()


class MemoryStore:
    """What a cache needs of the state store."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def cached(self, keys: list[str]) -> dict[str, bytes]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def cache(self, values: dict[str, bytes], seconds: float) -> None:
        self.kept.update(values)


@pytest.fixture
def cache() -> Cache:
    store: Any = MemoryStore()
    return Cache("shop", lambda: store)


class FakeWarehouse(Warehouse):
    """Pages of levels; after them it is away, if told so."""

    def __init__(self, *pages: list[Level], away: bool = False) -> None:
        super().__init__("http://nowhere")
        self._pages = pages
        self._away = away

    def pages(self) -> Iterator[list[Level]]:
        yield from self._pages
        if self._away:
            raise WarehouseUnreachable("gone")


def run(job: Any, context: Context) -> Context:
    job.run(context)
    return context


def test_price_sync_puts_right_what_is_wrong_and_announces_it(session: Session) -> None:
    wrong = session.scalars(select(Price).where(Price.sku.in_(["SKU-003", "SKU-007"]))).all()
    right = {price.sku: price.price for price in wrong}
    for price in wrong:
        price.price = 1
    context = run(PriceSyncJob(PricingUseCase()), Context(session))
    assert {price.sku: price.price for price in wrong} == right
    assert context.rows == 2
    assert sorted(context.published) == [
        ("pricing.price.updated", sku, price) for sku, price in sorted(right.items())
    ]
    assert run(PriceSyncJob(PricingUseCase()), Context(session)).rows == 0


def test_price_sync_goes_on_after_what_is_committed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pricing.worker.cron.price_sync.CHUNK", 10)
    assert run(PriceSyncJob(PricingUseCase()), Context(session)).commits == 5


def test_cache_warmup_keeps_every_price(
    session: Session, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pricing.worker.cron.cache_warmup.CHUNK", 10)
    context = run(CacheWarmupJob(PricingUseCase(), cache), Context(session))
    assert context.rows == 37
    assert cache.get("price:SKU-001")["productId"] == "test-123"


def test_old_price_changes_go_and_young_ones_stay(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pricing.worker.cron.cleanup.CHUNK", 2)
    now = time.time()
    for age in (0.0, *[HISTORY.total_seconds() + 60] * 5):
        change = PriceChange(
            product_id="test-123", previous_price=1, price=2, stock=3, changed_at=now - age
        )
        session.add(change)
    session.flush()
    assert run(ExpiredPricesCleanupJob(PricingUseCase()), Context(session)).rows == 5
    assert len(session.scalars(select(PriceChange)).all()) == 1


@pytest.mark.parametrize(("stopping", "rows", "commits"), [(False, 7, 3), (True, 4, 1)])
def test_old_events_go_window_by_window_until_the_process_stops(
    stopping: bool, rows: int, commits: int
) -> None:
    class Windows:
        def delete(self, session: Any) -> Iterator[int]:
            yield from (4, 2, 1)

    windows: Any = Windows()
    context = Context()
    context.stopping = stopping
    run(OldEventsCleanupJob(windows), context)
    assert (context.rows, context.commits) == (rows, commits)


def test_stock_sync_keeps_every_page(cache: Cache) -> None:
    stock = StockCache(cache)
    pages = [[Level(sku="a", stock=1), Level(sku="b", stock=2)], [Level(sku="c", stock=0)]]
    assert run(StockSyncJob(FakeWarehouse(*pages), stock), Context()).rows == 3
    known = stock.known(["a", "b", "c", "d"])
    assert {sku: level.stock for sku, level in known.items()} == {"a": 1, "b": 2, "c": 0}
    assert all(level.age < 60 for level in known.values())


def test_a_warehouse_that_goes_away_fails_the_run_and_what_was_read_stays(cache: Cache) -> None:
    stock, context = StockCache(cache), Context()
    job = StockSyncJob(FakeWarehouse([Level(sku="a", stock=1)], away=True), stock)
    with pytest.raises(WarehouseUnreachable):
        job.run(context)  # type: ignore[arg-type]
    assert (context.rows, stock.known(["a"])["a"].stock) == (1, 1)


def test_a_warehouse_that_is_not_there_says_so_in_one_line() -> None:
    with pytest.raises(WarehouseUnreachable, match=r"http://127.0.0.1:9/stock\?after=&limit=100: "):
        next(Warehouse("http://127.0.0.1:9/").pages())


def test_a_cache_that_does_not_answer_says_so() -> None:
    def away() -> Any:
        raise StorageError("no Redis")

    with pytest.raises(StorageError, match="no Redis"):
        StockCache(Cache("shop", away)).known(["a"])
