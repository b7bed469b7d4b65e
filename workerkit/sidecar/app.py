"""Dapr's HTTP API, the part that publishes, as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..core.clock import Clock, SystemClock
from ..core.loading import unknown
from ..errors import ConfigurationError, InvalidPayload, StorageError
from ..events.transport import Message
from ..observability.guard import Guard
from ..observability.server import LOOPBACK
from .bulk import Entry, read_entries
from .envelopes import Options, Publication, read_options, wrap
from .publisher import Publisher
from .pubsub import PubSub

log = logging.getLogger("workerkit.sidecar")

HEALTH = ("/v1.0/healthz", "/v1.0/healthz/outbound")
NOT_PUBLISHED = "ERR_PUBSUB_PUBLISH_MESSAGE"


def sidecar_app(
    pubsubs: Mapping[str, PubSub],
    *,
    app_id: str,
    token: str | None = None,
    hosts: frozenset[str] | None = LOOPBACK,
    clock: Clock | None = None,
) -> ASGIApp:
    """Publish, bulk publish, health and metadata, on *pubsubs* by name, as `/v1.0/...`.

    An answer of 204 means that the event is durable. *token* is asked for in
    the header `dapr-api-token`, except for health; *app_id* is the events' source.
    """
    endpoints = _Endpoints(pubsubs, app_id, clock or SystemClock())
    sends = ["POST", "PUT"]
    routes = [
        *(Route(path, _healthy) for path in HEALTH),
        Route("/v1.0/metadata", endpoints.show_metadata),
        *(
            Route(f"{base}/publish/bulk/{{pubsub}}/{{topic:path}}", endpoints.bulk, methods=sends)
            for base in ("/v1.0", "/v1.0-alpha1")
        ),
        Route("/v1.0/publish/{pubsub}/{topic:path}", endpoints.publish, methods=sends),
        Route("/v1.0/publish/{pubsub}", endpoints.publish, methods=sends),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _no_such_place,
            ClientDisconnect: _gone,
            _Refusal: _refused,
            ConfigurationError: _bad_metadata,
            InvalidPayload: _bad_payload,
            StorageError: _not_stored,
            500: _broken,
        },
    )
    app.router.redirect_slashes = False
    return Guard(app, token=token, open_paths=HEALTH, hosts=hosts)


class _Endpoints:
    """The routes that need the components or the sidecar's names."""

    def __init__(self, pubsubs: Mapping[str, PubSub], app_id: str, clock: Clock) -> None:
        self.pubsubs = pubsubs
        self.publishers = {name: Publisher(each.transport) for name, each in pubsubs.items()}
        self.app_id = app_id
        self.clock = clock
        self.version = version("workerkit")

    async def publish(self, request: Request) -> Response:
        topic = self._topic(request)
        options = read_options(_metadata(request))
        content_type = request.headers.get("content-type", "")
        about = self._about(request, topic, content_type, options)
        body = wrap(await request.body(), about, self.clock.time())
        await self._publisher(request).publish([Message(topic, body)])
        return Response(status_code=204)

    async def bulk(self, request: Request) -> Response:
        """Every entry that can be read goes out; the others are named in the answer."""
        topic = self._topic(request)
        shared = read_options(_metadata(request))
        if "id" in shared.attributes:
            raise ConfigurationError(
                "metadata cloudevent.id would give every entry one id; "
                "put it into each entry's own metadata"
            )
        try:
            entries = read_entries(await request.body())
        except InvalidPayload as error:
            raise _Refusal(400, "ERR_PUBSUB_EVENTS_SER", str(error)) from None
        ready, failed = self._prepare(request, topic, entries, shared)
        try:
            if ready:
                await self._publisher(request).publish(list(ready.values()))
        except StorageError as error:
            _warn(request, error)
            failed |= dict.fromkeys(ready, str(error))
        if not failed:
            return Response(status_code=204)
        shown = [{"entryId": entry, "error": error} for entry, error in failed.items()]
        return _json({"failedEntries": shown, "errorCode": NOT_PUBLISHED}, 500)

    def _prepare(
        self, request: Request, topic: str, entries: list[Entry], shared: Options
    ) -> tuple[dict[str, Message], dict[str, str]]:
        """By entry id: what can be published, and what is wrong with the rest."""
        now = self.clock.time()
        ready: dict[str, Message] = {}
        failed: dict[str, str] = {}
        for entry in entries:
            try:
                options = read_options((entry.metadata or {}).items(), shared)
                about = self._about(request, topic, entry.content_type, options)
                ready[entry.id] = Message(topic, wrap(entry.body(), about, now))
            except (ConfigurationError, InvalidPayload) as error:
                failed[entry.id] = str(error)
        return ready, failed

    async def show_metadata(self, request: Request) -> Response:
        components = [
            {"name": each.name, "type": each.type, "version": "v1", "capabilities": ["MESSAGE_TTL"]}
            for each in self.pubsubs.values()
        ]
        return _json(
            {
                "id": self.app_id,
                "runtimeVersion": self.version,
                "components": components,
                "extended": {"daprRuntimeVersion": self.version, "runtime": "workerkit"},
            }
        )

    def _topic(self, request: Request) -> str:
        name = request.path_params["pubsub"]
        if name not in self.pubsubs:
            raise _Refusal(404, "ERR_PUBSUB_NOT_FOUND", unknown("pubsub", name, self.pubsubs))
        topic: str = request.path_params.get("topic", "")
        if not topic.strip():
            message = f"topic is empty in pubsub {name}: publish to /v1.0/publish/{name}/TOPIC"
            raise _Refusal(404, "ERR_TOPIC_NAME_EMPTY", message)
        return topic

    def _publisher(self, request: Request) -> Publisher:
        return self.publishers[request.path_params["pubsub"]]

    def _about(
        self, request: Request, topic: str, content_type: str, options: Options
    ) -> Publication:
        trace = {name: request.headers.get(name, "") for name in ("traceparent", "tracestate")}
        pubsub = request.path_params["pubsub"]
        return Publication(topic, pubsub, self.app_id, content_type, options=options, **trace)


class _Refusal(Exception):
    """An answer that is no success, with Dapr's code for it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _metadata(request: Request) -> list[tuple[str, str]]:
    pairs = request.query_params.multi_items()
    prefix = "metadata."
    return [(name.removeprefix(prefix), value) for name, value in pairs if name.startswith(prefix)]


async def _healthy(request: Request) -> Response:
    return Response(status_code=204)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, _Refusal)
    return _error(error.status, error.code, str(error))


async def _bad_metadata(request: Request, error: Exception) -> Response:
    return _error(400, "ERR_PUBSUB_REQUEST_METADATA", str(error))


async def _bad_payload(request: Request, error: Exception) -> Response:
    return _error(400, "ERR_PUBSUB_CLOUD_EVENTS_SER", str(error))


async def _not_stored(request: Request, error: Exception) -> Response:
    _warn(request, error)
    names = request.path_params
    where = f"topic {names.get('topic')} in pubsub {names.get('pubsub')}"
    return _error(500, NOT_PUBLISHED, f"error when publishing to {where}: {error}")


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
        message = f"nothing at {path}: this sidecar serves publish, publish/bulk, healthz, metadata"
        return _error(404, "ERR_NOT_FOUND", message)
    return _error(error.status_code, "ERR_BAD_REQUEST", str(error.detail))


async def _broken(request: Request, error: Exception) -> Response:
    return _error(500, "ERR_INTERNAL", f"{type(error).__name__}; the log has its traceback")


def _warn(request: Request, error: Exception) -> None:
    log.warning("could not publish", extra={"path": request.url.path, "error": str(error)})


def _error(status: int, code: str, message: str) -> Response:
    return _json({"errorCode": code, "message": message}, status)


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
