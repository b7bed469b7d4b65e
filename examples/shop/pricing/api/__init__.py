"""Pricing's HTTP API: reads prices, changes none."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from workerkit import Settings, StorageError

from ..payloads import PriceChangeView, PriceView
from ..use_case import PricingUseCase, UnknownProduct

log = logging.getLogger(__name__)

Limit = Annotated[int, Query(ge=1, le=1000)]


def build_api(settings: Settings, pricing: PricingUseCase) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(title="pricing")
    app.add_exception_handler(UnknownProduct, _not_found)
    app.add_exception_handler(StorageError, _unavailable)
    app.add_exception_handler(DBAPIError, _unavailable)
    database = settings.database

    @app.get("/prices")
    def list_prices(limit: Limit = 100) -> list[PriceView]:
        with database.read() as session:
            prices = pricing.list_prices(session, limit)
            return [PriceView.model_validate(price) for price in prices]

    @app.get("/prices/{sku}", response_model=PriceView)
    def show_price(sku: str) -> Response:
        """The price; while the database is away that of the last warmup."""
        try:
            with database.read() as session:
                return _as_json(PriceView.model_validate(pricing.find(session, sku)))
        except (StorageError, DBAPIError):
            kept = settings.cache.get(f"price:{sku}")
            if kept is None:
                raise
            return _as_json(PriceView.model_validate(kept))

    @app.get("/prices/{sku}/history")
    def show_history(sku: str, limit: Limit = 100) -> list[PriceChangeView]:
        with database.read() as session:
            changes = pricing.history(session, sku, limit)
            return [PriceChangeView.model_validate(change) for change in changes]

    return app


def _as_json(view: PriceView) -> Response:
    """Bytes, since FastAPI would have a second thread validate the model once more."""
    return Response(view.model_dump_json(by_alias=True), media_type="application/json")


async def _not_found(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("the database does not answer", exc_info=error)
    return JSONResponse({"detail": "the database does not answer, try again"}, 503)
