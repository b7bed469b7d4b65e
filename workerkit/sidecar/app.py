"""Dapr's HTTP API as an ASGI application: publish, state, metadata and health."""

from __future__ import annotations

import logging
from functools import partial

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..errors import ConfigurationError, InvalidPayload, StorageError
from ..observability.guard import Guard
from ..observability.server import LOOPBACK
from .bulk import Entry, read_entries
from .http_state import state_routes
from .publishing import Target
from .refusal import NOT_PUBLISHED, Refusal, refusal_of
from .runtime import Runtime

log = logging.getLogger("workerkit.sidecar")

HEALTH = ("/v1.0/healthz", "/v1.0/healthz/outbound")
SERVED = "publish, publish/bulk, state, healthz, metadata"


def sidecar_app(
    runtime: Runtime, *, token: str | None = None, hosts: frozenset[str] | None = LOOPBACK
) -> ASGIApp:
    """Dapr's API on the components of *runtime*, as `/v1.0/...`.

    An answer of 204 to a publish means that the event is durable. *token* is
    asked for in the header `dapr-api-token`, except for health.
    """
    endpoints = _Endpoints(runtime)
    sends = ["POST", "PUT"]
    routes = [
        *(Route(path, endpoints.health) for path in HEALTH),
        Route("/v1.0/metadata", endpoints.show_metadata),
        Route("/v1.0/metadata/{key}", endpoints.set_metadata, methods=["PUT"]),
        *(
            Route(f"{base}/publish/bulk/{{pubsub}}/{{topic:path}}", endpoints.bulk, methods=sends)
            for base in ("/v1.0", "/v1.0-alpha1")
        ),
        Route("/v1.0/publish/{pubsub}/{topic:path}", endpoints.publish, methods=sends),
        Route("/v1.0/publish/{pubsub}", endpoints.publish, methods=sends),
        *state_routes(runtime.states),
    ]
    refused = dict.fromkeys((Refusal, ConfigurationError, InvalidPayload, StorageError), _refused)
    app = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _no_such_place, ClientDisconnect: _gone, **refused, 500: _refused,
        },
    )  # fmt: skip
    app.router.redirect_slashes = False
    return Guard(app, token=token, open_paths=HEALTH, hosts=hosts)


class _Endpoints:
    """The routes that need the components or the sidecar's names."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._publishing = runtime.publishing()

    async def health(self, request: Request) -> Response:
        """Clients begin with gRPC as soon as HTTP says that all is well."""
        if self._runtime.ready:
            return Response(status_code=204)
        return _error(500, "ERR_HEALTH_NOT_READY", "the sidecar starts or stops")

    async def publish(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        body = await request.body()
        await self._publishing.one(_target(request), body, content_type, _metadata(request))
        return Response(status_code=204)

    async def bulk(self, request: Request) -> Response:
        """Every entry that can be read goes out; the others are named in the answer."""
        read = partial(_entries, await request.body())
        failed = await self._publishing.many(_target(request), read, _metadata(request))
        if not failed:
            return Response(status_code=204)
        shown = [{"entryId": entry, "error": error} for entry, error in failed.items()]
        return _json({"failedEntries": shown, "errorCode": NOT_PUBLISHED}, 500)

    async def show_metadata(self, request: Request) -> Response:
        runtime = self._runtime
        components = [
            {"name": c.name, "type": c.type, "version": "v1", "capabilities": c.capabilities}
            for c in runtime.components()
        ]
        subscriptions = [
            {"pubsubname": each.pubsub, "topic": each.topic, "deadLetterTopic": each.dead_letter}
            for each in runtime.subscribed()
        ]
        return _json(
            {
                "id": runtime.app_id,
                "runtimeVersion": runtime.version,
                "components": components,
                "subscriptions": subscriptions,
                "extended": runtime.extended(),
            }
        )

    async def set_metadata(self, request: Request) -> Response:
        body = await request.body()
        self._runtime.labels[request.path_params["key"]] = body.decode(errors="replace")
        return Response(status_code=204)


def _entries(body: bytes) -> list[Entry]:
    try:
        return read_entries(body)
    except InvalidPayload as error:
        raise Refusal(400, "ERR_PUBSUB_EVENTS_SER", str(error), "INVALID_ARGUMENT") from None


def _target(request: Request) -> Target:
    names = request.path_params
    trace = {name: request.headers.get(name, "") for name in ("traceparent", "tracestate")}
    return Target(names["pubsub"], names.get("topic", ""), **trace)


def _metadata(request: Request) -> list[tuple[str, str]]:
    pairs = request.query_params.multi_items()
    prefix = "metadata."
    return [(name.removeprefix(prefix), value) for name, value in pairs if name.startswith(prefix)]


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _refused(request: Request, error: Exception) -> Response:
    refusal = refusal_of(error)
    return _error(refusal.status, refusal.code, str(refusal))


async def _no_such_place(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 405:
        # Starlette joins a set: the order changes from process to process.
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        answer = _error(405, "ERR_METHOD_NOT_ALLOWED", f"{path} takes {allowed}")
        answer.headers["Allow"] = allowed
        return answer
    if error.status_code == 404:
        message = f"nothing at {path}: this sidecar serves {SERVED}"
        return _error(404, "ERR_NOT_FOUND", message)
    return _error(error.status_code, "ERR_BAD_REQUEST", str(error.detail))


def _error(status: int, code: str, message: str) -> Response:
    return _json({"errorCode": code, "message": message}, status)


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
