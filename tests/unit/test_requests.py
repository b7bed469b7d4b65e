"""How long an API takes: what is counted, under which labels, and at which price."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.testclient import TestClient

from workerkit.observability import requests
from workerkit.observability.metrics import Metrics
from workerkit.observability.requests import MOST_ROUTES, UNMATCHED, Requests


def build() -> FastAPI:
    app, router, tenant = FastAPI(), APIRouter(), FastAPI()

    @router.get("/{number}")
    def show(number: int) -> int:
        return number

    @app.get("/files/{name:path}")
    def file(name: str) -> str:
        return name

    @tenant.get("/things/{thing}")
    def thing(thing: str) -> str:
        return thing

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("no")

    app.include_router(router, prefix="/orders")
    app.include_router(router, prefix="/users")
    app.mount("/tenants/{tenant}", tenant)
    return app


@pytest.fixture
def app() -> Requests:
    return Requests(build())


def counted(app: Requests) -> dict[tuple[str, str, str], float]:
    (family,) = app.collect()
    return {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in family.samples
        if s.name.endswith("_count")
    }


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/orders/7", "/orders/{number}", "2xx"),
        ("/users/7", "/users/{number}", "2xx"),
        ("/users/seven", "/users/{number}", "4xx"),
        ("/files/a/b/c", "/files/{name:path}", "2xx"),
        ("/tenants/acme/things/9", "/tenants/{tenant}/things/{thing}", "2xx"),
        ("/tenants/acme/nothing", UNMATCHED, "4xx"),
        ("/wp-admin.php", UNMATCHED, "4xx"),
        ("/broken", "/broken", "5xx"),
    ],
)
def test_a_request_counts_under_its_routes_template(app, path, route, status):
    TestClient(app, raise_server_exceptions=False).get(path)
    assert counted(app) == {("GET", route, status): 1}


def test_a_method_that_nobody_knows_makes_no_label(app):
    for method in ("BREW", "WHEN"):
        TestClient(app).request(method, "/orders/7")
    assert counted(app) == {("OTHER", "/orders/{number}", "4xx"): 2}


def test_routes_beyond_the_most_count_as_other():
    async def by_path(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Route", (), {"path": scope["path"]})
        await PlainTextResponse("")(scope, receive, send)

    app = Requests(by_path)
    for n in range(MOST_ROUTES + 5):
        TestClient(app).get(f"/{n}")
    found = counted(app)
    assert len(found) == MOST_ROUTES + 1
    assert found["GET", "(other)", "2xx"] == 5


def test_time_ends_with_the_last_byte_not_with_what_follows(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(requests, "perf_counter", lambda: now[0])

    async def slowly() -> Any:
        yield b"a"
        now[0] += 0.2
        yield b"b"

    async def afterwards() -> None:
        now[0] += 60.0

    app = Requests(StreamingResponse(slowly(), background=BackgroundTask(afterwards)))
    assert TestClient(app).get("/").text == "ab"
    (family,) = app.collect()
    values = {(s.name, s.labels.get("le")): s.value for s in family.samples}
    name = "http_request_duration_seconds"
    assert values[f"{name}_sum", None] == 0.2
    assert (values[f"{name}_bucket", "0.15"], values[f"{name}_bucket", "0.25"]) == (0, 1)


def test_an_answer_that_breaks_off_is_a_failure():
    async def breaking() -> Any:
        yield b"a"
        raise RuntimeError("no")

    app = Requests(StreamingResponse(breaking()))
    with pytest.raises(RuntimeError):
        TestClient(app).get("/")
    assert counted(app) == {("GET", UNMATCHED, "5xx"): 1}


def test_the_process_exposes_it(app):
    metrics = Metrics({"service": "shop"})
    metrics.add(app)
    TestClient(app).get("/orders/7")
    text = metrics.render()[0].decode()
    labels = 'method="GET",route="/orders/{number}",status="2xx"'
    assert f"http_request_duration_seconds_count{{{labels}}} 1.0" in text


def test_a_request_costs_less_than_twenty_microseconds():
    """Of processor time, the best of five: a busy machine makes none of them cheaper."""
    route = type("Route", (), {"path": "/prices/{sku}"})

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    async def nothing(*_: Any) -> None:
        pass

    async def seconds(app: Any, times: int = 2000) -> float:
        scope = {"type": "http", "method": "GET", "path": "/prices/SKU-001", "route": route}
        began = time.process_time()
        for _ in range(times):
            await app(scope, nothing, nothing)
        return (time.process_time() - began) / times

    app = Requests(answer)
    cost = min(asyncio.run(seconds(app)) for _ in range(5))
    assert cost - min(asyncio.run(seconds(answer)) for _ in range(5)) < 20e-6
