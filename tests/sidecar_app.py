"""An app beside the sidecar: declares topics, keeps what it is sent, answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workerkit.observability.server import HttpServer

Answer = Callable[[dict[str, Any]], Any]


class CalledApp:
    """Serves `/dapr/subscribe` and `/events`; `answer` gives the status of one event.

    An `int` is an HTTP status, of a bulk that of its first event; a string is a
    status of Dapr's; an Event is waited for.
    """

    def __init__(self, *declared: dict[str, Any], port: int = 0) -> None:
        self.declared = list(declared)
        self.answer: Answer = lambda event: "SUCCESS"
        self.events: list[dict[str, Any]] = []
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        app = Starlette(
            routes=[
                Route("/dapr/subscribe", self._subscribe),
                Route("/{path:path}", self._take, methods=["POST"]),
            ]
        )
        self.server = HttpServer("app", app, port=port)
        self.server.start()

    @property
    def port(self) -> int:
        return self.server.port

    def data(self) -> list[Any]:
        """The data of every event that came, in that order."""
        with self._lock:
            return [event.get("data") for event in self.events]

    def stop(self) -> None:
        self.server.stop(2)

    def _subscribe(self, request: Request) -> Response:
        return JSONResponse(self.declared)

    async def _take(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool  # noqa: PLC0415

        body = orjson.loads(await request.body())
        return await run_in_threadpool(self._handle, body, dict(request.headers))

    def _handle(self, body: dict[str, Any], headers: dict[str, str]) -> Response:
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
        if "entries" not in body:
            answered = self._one(body)
            if isinstance(answered, int):
                return Response(status_code=answered)
            return JSONResponse({"status": answered})
        statuses = [
            {"entryId": entry["entryId"], "status": self._one(entry["event"])}
            for entry in body["entries"]
        ]
        first = statuses[0]["status"]
        if isinstance(first, int):
            return Response(status_code=first)
        return JSONResponse({"statuses": statuses})

    def _one(self, event: dict[str, Any]) -> Any:
        with self._lock:
            self.events.append(event)
        answered = self.answer(event)
        if isinstance(answered, threading.Event):
            answered.wait(30)
            return "SUCCESS"
        return answered
