"""Projects whose files are looked at: the shop, and what comes out of the templates."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from workerkit.operate.shop import example_folder
from workerkit.scaffold.adding import plan_cron_job, plan_event_worker, plan_service
from workerkit.scaffold.making import Wish, make, plan_new


def shop(parent: Path) -> Path:
    """A copy of the shop's own files."""
    unwanted = shutil.ignore_patterns("__pycache__", ".workerkit", ".*_cache")
    return Path(shutil.copytree(example_folder(), parent / "shop", ignore=unwanted))


def grown(parent: Path) -> Path:
    """One that began small; its services have the names of the shop's."""
    folder = _new(parent, Wish("acme", ["pricing"]))
    for name in ("catalog", "warehouse"):
        plan_service(folder, name).carry_out()
    for topic, service in (
        ("warehouse.stock.updated", "pricing"),
        ("pricing.price.updated", "catalog"),
        ("catalog.product.added", "pricing"),
    ):
        plan_event_worker(folder, topic, service).carry_out()
    for job, service in (("price_sync", "pricing"), ("stock_sync", "catalog")):
        plan_cron_job(folder, job, "@hourly", service).carry_out()
    return folder


def minimal(parent: Path) -> Path:
    """One API, and no workers."""
    return _new(parent, Wish("acme", ["app"]))


def odd(parent: Path) -> Path:
    """Names that are none for images, hosts and namespaces; one service's begins as another's."""
    folder = _new(parent, Wish("My.Project__1", ["order_event", "order"], "1.0", "@daily"))
    plan_event_worker(folder, "order/line:added", "order").carry_out()
    return folder


def long(parent: Path) -> Path:
    """Names as long as can be."""
    return _new(parent, Wish("x" * 64, ["s" * 20], "t" * 30, "@daily"))


PROJECTS: dict[str, Callable[[Path], Path]] = {
    "shop": shop, "grown": grown, "minimal": minimal, "odd": odd, "long": long,
}  # fmt: skip


def _new(parent: Path, wish: Wish) -> Path:
    plan = plan_new(wish, parent)
    make(plan)
    return plan.folder
