"""The paths that every process serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .guard import Guard
from .health import Health
from .metrics import Metrics
from .server import LOOPBACK

PATHS = ("/health", "/worker/health", "/livez", "/readyz", "/metrics")
OURS = "/worker/"
"""Below this path nothing is an API's."""


def admin_app(
    health: Callable[[], Health],
    live: Callable[[], bool],
    metrics: Metrics,
    hosts: frozenset[str] | None = LOOPBACK,
    more: Sequence[Route] = (),
) -> ASGIApp:
    """Health, liveness, readiness and metrics of this process, and *more* below OURS."""
    return admin_routes(lambda: health().as_json(), live, metrics.render, hosts, more)


def admin_routes(
    health: Callable[[], dict[str, Any]],
    live: Callable[[], bool],
    metrics: Callable[[], tuple[bytes, str]],
    hosts: frozenset[str] | None = LOOPBACK,
    more: Sequence[Route] = (),
) -> ASGIApp:
    """The same from whatever tells it.

    `/health` is 200 unless stopped; `/readyz` 200 only while running, so that
    a degraded process gets no traffic; `/livez` tells whether its loops turn.
    """

    def show_health(request: Request) -> Response:
        shown = health()
        return _json(shown, 503 if shown["status"] == "stopped" else 200)

    def show_live(request: Request) -> Response:
        alive = live()
        return _json({"live": alive}, 200 if alive else 503)

    def show_ready(request: Request) -> Response:
        status = health()["status"]
        return _json({"status": status}, 200 if status == "running" else 503)

    def show_metrics(request: Request) -> Response:
        body, content_type = metrics()
        return Response(body, headers={"content-type": content_type})

    handlers = (show_health, show_health, show_live, show_ready, show_metrics)
    routes = [Route(path, handler) for path, handler in zip(PATHS, handlers, strict=True)]
    return Guard(Starlette(routes=[*routes, *more]), hosts=hosts)


def beside(app: ASGIApp, admin: ASGIApp) -> ASGIApp:
    """*app* with the admin paths in front of it."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        ours = path in PATHS or path.startswith(OURS)
        await (admin if ours else app)(scope, receive, send)

    return route


def _json(value: object, status: int) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
