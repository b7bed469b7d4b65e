"""Catalog's HTTP API: products with the stock that the cache knows of; no job runs in here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError
from workerkit import Settings, StorageError

from ..models import Product
from ..payloads import ProductView
from ..stock import StockCache

log = logging.getLogger(__name__)

BY_SKU = select(Product).where(Product.sku == bindparam("sku"))
"""Made once: building a statement takes as long as running it."""

Limit = Annotated[int, Query(ge=1, le=1000)]


def build_api(settings: Settings, stock: StockCache) -> FastAPI:
    """The ASGI application."""
    app = FastAPI(title="catalog")
    app.add_exception_handler(StorageError, _unavailable)
    app.add_exception_handler(DBAPIError, _unavailable)

    @app.get("/products")
    def list_products(limit: Limit = 100) -> list[ProductView]:
        query = select(Product).order_by(Product.sku).limit(limit)
        with settings.database.read() as session:
            return _shown(session.scalars(query).all(), stock)

    @app.get("/products/{sku}", response_model=ProductView)
    def show_product(sku: str) -> Response:
        with settings.database.read() as session:
            product = session.scalar(BY_SKU, {"sku": sku})
            if product is None:
                raise HTTPException(404, f"no product with sku {sku!r}")
            (view,) = _shown([product], stock)
        # Bytes, since FastAPI would have a second thread validate the model once more.
        return Response(view.model_dump_json(by_alias=True), media_type="application/json")

    return app


def _shown(products: Sequence[Product], stock: StockCache) -> list[ProductView]:
    """Products with their stock; without it when the cache does not answer."""
    try:
        known = stock.known([product.sku for product in products])
    except StorageError as error:
        log.warning("the cache does not answer", extra={"error": str(error)})
        known = {}
    shown = []
    for product in products:
        view = ProductView.model_validate(product)
        level = known.get(product.sku)
        if level is not None:
            view = view.model_copy(update={"stock": level.stock, "stock_age": round(level.age, 3)})
        shown.append(view)
    return shown


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("the database does not answer", exc_info=error)
    return JSONResponse({"detail": "the database does not answer, try again"}, 503)
