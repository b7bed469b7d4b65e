"""Dapr's state API over HTTP: `/v1.0/state/...`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..config.problem import first_problem
from .refusal import Refusal
from .stores import Change, Found, States, Store, change_each, read_ttl

Asked = TypeVar("Asked")


class _Options(BaseModel):
    concurrency: Literal["", "first-write", "last-write"] = ""


class _Item(BaseModel):
    key: str
    value: Any = None
    etag: str | None = None
    metadata: dict[str, str] = {}
    options: _Options = _Options()

    def change(self, *, delete: bool = False) -> Change:
        """What it asks for."""
        value = None if delete else orjson.dumps(self.value)
        ttl = read_ttl(self.metadata)
        return Change(self.key, value, self.etag or "", self.options.concurrency, ttl)


class _Operation(BaseModel):
    kind: Annotated[Literal["upsert", "delete"], Field(alias="operation")]
    request: _Item


class _Transaction(BaseModel):
    operations: list[_Operation] = []


class _Bulk(BaseModel):
    keys: list[str] = []


_ITEMS = TypeAdapter(list[_Item])
_TRANSACTION = TypeAdapter(_Transaction)
_BULK = TypeAdapter(_Bulk)


def state_routes(states: States) -> list[Route]:
    """Get, save, delete, bulk and transaction on the components of *states*."""
    endpoints = _Endpoints(states)
    sends = ["POST", "PUT"]
    base = "/v1.0/state/{store}"
    return [
        Route(base, endpoints.save, methods=sends),
        Route(f"{base}/bulk", endpoints.bulk, methods=sends),
        Route(f"{base}/transaction", endpoints.transaction, methods=sends),
        Route(f"{base}/{{key:path}}", endpoints.get, methods=["GET"]),
        Route(f"{base}/{{key:path}}", endpoints.delete, methods=["DELETE"]),
    ]


class _Endpoints:
    def __init__(self, states: States) -> None:
        self._states = states

    async def get(self, request: Request) -> Response:
        key = request.path_params["key"]
        found = (await asyncio.to_thread(self._store(request).get, [key])).get(key)
        if found is None:
            return Response(status_code=204)
        headers = {"etag": found.etag}
        return Response(found.value, media_type="application/json", headers=headers)

    async def bulk(self, request: Request) -> Response:
        store = self._store(request)
        keys = _read(_BULK, await request.body()).keys
        found = await asyncio.to_thread(store.get, keys)
        return _json([_shown(key, found.get(key)) for key in keys])

    async def save(self, request: Request) -> Response:
        store = self._store(request)
        changes = [item.change() for item in _read(_ITEMS, await request.body())]
        await asyncio.to_thread(change_each, store, changes)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        etag = request.headers.get("if-match", "")
        concurrency = request.query_params.get("concurrency", "")
        change = Change(request.path_params["key"], None, etag, concurrency)
        await asyncio.to_thread(self._store(request).change, [change])
        return Response(status_code=204)

    async def transaction(self, request: Request) -> Response:
        store = self._store(request)
        asked = _read(_TRANSACTION, await request.body()).operations
        changes = [each.request.change(delete=each.kind == "delete") for each in asked]
        await asyncio.to_thread(store.change, changes)
        return Response(status_code=204)

    def _store(self, request: Request) -> Store:
        return self._states.store(request.path_params["store"])


def _shown(key: str, found: Found | None) -> dict[str, object]:
    if found is None:
        return {"key": key}
    try:
        orjson.loads(found.value)
        data: object = orjson.Fragment(found.value)
    except orjson.JSONDecodeError:  # written over gRPC, where any bytes will do
        data = found.value.decode(errors="replace")
    return {"key": key, "data": data, "etag": found.etag}


def _read(adapter: TypeAdapter[Asked], body: bytes) -> Asked:
    try:
        return adapter.validate_python(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        text = f"the request is not JSON: {error}"
    except ValidationError as error:
        text = f"the request does not fit: {first_problem(error)}"
    raise Refusal(400, "ERR_MALFORMED_REQUEST", text, "INVALID_ARGUMENT")


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
