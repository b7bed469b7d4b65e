"""The warehouse's HTTP API."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from workerkit import Settings, StorageError

from ..payloads import StockChange, StockUpdated, StockView
from ..use_case import UnknownProduct, WarehouseUseCase

log = logging.getLogger(__name__)

Limit = Annotated[int, Query(ge=1, le=1000)]


def build_api(settings: Settings, warehouse: WarehouseUseCase) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(title="warehouse")
    app.add_exception_handler(UnknownProduct, _not_found)
    app.add_exception_handler(StorageError, _unavailable)
    app.add_exception_handler(DBAPIError, _unavailable)

    @app.get("/stock")
    def list_stock(after: str = "", limit: Limit = 100) -> list[StockView]:
        """A page of levels by sku; the next one begins *after* the last of them."""
        with settings.database.read() as session:
            levels = warehouse.list_levels(session, after, limit)
            return [StockView.model_validate(level) for level in levels]

    @app.get("/stock/{sku}")
    def show_stock(sku: str) -> StockView:
        with settings.database.read() as session:
            return StockView.model_validate(warehouse.find(session, sku))

    @app.post("/stock/{sku}")
    def set_stock(sku: str, change: StockChange) -> StockView:
        """The level and its event are one transaction: there is never one without the other."""
        with settings.outbox.begin() as work:
            level = warehouse.set_stock(work.session, sku, change.new_stock)
            work.publish("warehouse.stock.updated", StockUpdated.of(level))
            return StockView.model_validate(level)

    return app


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("the database does not answer", exc_info=error)
    return JSONResponse({"detail": "the database does not answer, try again"}, 503)
