"""The one place where warehouse is put together."""

from __future__ import annotations

from workerkit import Service, Settings

from .api import build_api
from .migrate import migrate
from .use_case import WarehouseUseCase


def wire(settings: Settings) -> Service:
    """Build warehouse: its API, its workers and its tables."""
    return Service(
        "warehouse",
        api=lambda: build_api(settings, WarehouseUseCase()),
        migrate=migrate,
    )
