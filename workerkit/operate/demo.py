"""The shop from end to end: what `workerkit demo` does, and checks, step by step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..errors import CheckFailed
from ..storage.database import Database
from . import letters
from .shop import PRICE, Shop, until


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the demo did, and what was seen; `seconds` is how long it took."""

    title: str
    seen: str
    seconds: float


class Demo:
    """The steps, on a shop that runs."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    @property
    def steps(self) -> list[tuple[str, Callable[[], str]]]:
        """What it shows, in order; each returns what was seen or raises CheckFailed."""
        return [
            ("an event changes a price in another process", self.event_in),
            ("the warehouse's own change arrives through its outbox", self.through_the_api),
            ("a job runs in the cron worker, and another service shows it", self.cron_run),
            ("the same event twice is applied once", self.duplicate),
            ("a bad payload becomes a dead letter, is corrected and replayed", self.dead_letter),
            ("the worker is killed while it holds an event", self.killed_before_commit),
            ("the worker is killed between commit and acknowledgement", self.killed_after_commit),
        ]

    def run(self, done: Callable[[Step], None]) -> None:
        """Take every step, and tell *done* after each.

        Raises:
            CheckFailed: A step did not show what it must; says which.
        """
        for title, action in self.steps:
            began = time.monotonic()
            try:
                seen = action()
            except CheckFailed as error:
                raise CheckFailed(f"not so: {title}: {error}; the log is {self.shop.log}") from None
            done(Step(title, seen, time.monotonic() - began))

    def event_in(self) -> str:
        """The checklist's curl line."""
        before = self.shop.price("SKU-001")
        began = time.monotonic()
        self.shop.send({"productId": "test-123", "sku": "SKU-001", "newStock": 100}, "first")
        after = self.shop.price_other_than(before, "SKU-001")
        took = time.monotonic() - began
        event_id = self.announced_once("SKU-001", after)
        return (
            f"SKU-001 went {before} -> {after} cents in {took * 1000:.0f} ms; "
            f"out came {PRICE} {event_id[:8]}"
        )

    def through_the_api(self) -> str:
        """The warehouse writes its own database and publishes in one transaction."""
        before = self.shop.price("SKU-002")
        level = self.shop.call("warehouse api", "/stock/SKU-002", {"newStock": 1})
        after = self.shop.price_other_than(before, "SKU-002")
        return (
            f"POST /stock/SKU-002 made version {level['version']}; "
            f"pricing went {before} -> {after} cents"
        )

    def cron_run(self) -> str:
        """Catalog's stock sync, asked for as `workerkit cron trigger stock_sync --wait` does."""
        level = self.shop.call("warehouse api", "/stock/SKU-002")["stock"]
        before = self.shop.call("catalog api", "/products/SKU-002")["stock"]
        run = self.shop.trigger("catalog cron", "catalog/stock_sync")
        product = self.shop.call("catalog api", "/products/SKU-002")
        if (run.state, product["stock"]) != ("succeeded", level):
            raise CheckFailed(f"stock_sync {run.state} {run.reason}, catalog has {product}")
        return (
            f"stock_sync copied {run.rows} levels in {1000 * (run.ended - run.started):.0f} ms; "
            f"catalog shows SKU-002 {'no stock' if before is None else before} -> "
            f"{product['stock']}, {product['stockAge']:.2f} s old"
        )

    def duplicate(self) -> str:
        """Two publishes with one id."""
        before = self.shop.price("SKU-003")
        counted = Counter(self.shop.outcomes())
        for _ in range(2):
            self.shop.send(self.level("SKU-003", 2), "twice")
        after = self.shop.price_other_than(before, "SKU-003")
        counted.update(applied=1, duplicate=1)
        until("one of two to be skipped", lambda: self.shop.outcomes() == counted)
        self.changed_once("SKU-003", after)
        return f"published 2, applied 1, skipped 1; SKU-003 went {before} -> {after} cents"

    def dead_letter(self) -> str:
        """An event whose stock is no number."""
        before = self.shop.price("SKU-004")
        self.shop.send({**self.level("SKU-004", 3), "newStock": "lots"}, "bad")
        with closing(Database(f"sqlite:///{self.shop.data / 'pricing.db'}")) as database:
            pricing = {"pricing": database}

            def dead() -> tuple[letters.Letter, ...]:
                return letters.list_letters(pricing, parked=False, limit=10).letters

            until("a dead letter", dead)
            (letter,) = dead()
            correction = self.level("SKU-004", 3)
            letters.replay(pricing, [letter.id], every=False, correction=correction)
            after = self.shop.price_other_than(before, "SKU-004")
            until("the dead letter to go", lambda: not dead())
        self.changed_once("SKU-004", after)
        return f"{letter.error}; corrected and replayed, SKU-004 went {before} -> {after} cents"

    def killed_before_commit(self) -> str:
        """SIGKILL while the handler waits for its database."""
        before = self.shop.price("SKU-005")
        with self.shop.locked("pricing.db"):
            self.shop.send(self.level("SKU-005", 4), "killed-early")
            until("the worker to take the event", self.shop.held)
            killed = self.shop.kill_worker()
        after = self.shop.price_other_than(before, "SKU-005")
        until("one event to be applied", lambda: self.shop.outcomes() == {"applied": 1})
        self.changed_once("SKU-005", after)
        return (
            f"pid {killed} got SIGKILL; the next one applied the event once, "
            f"SKU-005 went {before} -> {after} cents"
        )

    def killed_after_commit(self) -> str:
        """SIGKILL with the effect committed and the broker not yet told."""
        before = self.shop.price("SKU-006")
        with self.shop.locked("pricing.db") as release:
            self.shop.send(self.level("SKU-006", 4), "killed-late")
            until("the worker to take the event", self.shop.held)
            with self.shop.locked("broker.db"):
                release()
                after = self.shop.price_other_than(before, "SKU-006")
                killed = self.shop.kill_worker()
        until("the event to be skipped", lambda: self.shop.outcomes() == {"duplicate": 1})
        until("the broker to have nothing left", lambda: not self.shop.held())
        self.changed_once("SKU-006", after)
        return (
            f"pid {killed} got SIGKILL; the event came back and was skipped, "
            f"SKU-006 went {before} -> {after} cents, once"
        )

    def level(self, sku: str, stock: int) -> dict[str, Any]:
        """A payload: *sku* has *stock* units now."""
        product = self.shop.call("pricing api", f"/prices/{sku}")
        return {"productId": product["productId"], "sku": sku, "newStock": stock}

    def changed_once(self, sku: str, price: int) -> None:
        """The price of *sku* was changed once, to *price*, and announced under one id."""
        changes = self.shop.changes(sku)
        if changes != [price]:
            raise CheckFailed(f"{sku} was given the prices {changes}, must be [{price}]")
        self.announced_once(sku, price)

    def announced_once(self, sku: str, price: int) -> str:
        """The id of the one event that announces *sku* at *price*."""
        until(f"{PRICE} for {sku}", lambda: self.shop.announcements(sku))
        found = self.shop.announcements(sku)
        if list(found.values()) != [price]:
            raise CheckFailed(f"{sku} was announced at {list(found.values())}, must be [{price}]")
        return next(iter(found))
