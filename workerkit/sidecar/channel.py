"""Talks to an app over HTTP as daprd does: which subscriptions, one event, many events."""

from __future__ import annotations

import http.client
import logging
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

import orjson

from ..errors import ConfigurationError, Unreachable
from ..events.envelope import EVENT_TYPE
from .declared import Declared, read_declared
from .envelopes import BINARY, CLOUD_EVENT, JSON
from .feed import Handed, Status

log = logging.getLogger("workerkit.sidecar")

BULK_TYPE = "com.dapr.event.sent.bulk"

Answers = list[tuple[Handed, Status]]


@dataclass(frozen=True, slots=True)
class App:
    """An app and the port of its callbacks; `id` is its consumer group, `token` its APP_API_TOKEN.

    A port of 0 has none: the app is only a name.
    """

    id: str
    port: int = 0
    host: str = "127.0.0.1"
    token: str | None = None


class Gone(Unreachable):
    """Nobody listens on the app's port; one that is slow is there."""


class Channel:
    """One connection to *app*, for one thread; *timeout* in seconds bounds an answer."""

    def __init__(self, app: App, timeout: float | None = None) -> None:
        self._app = app
        self._line = http.client.HTTPConnection(app.host, app.port, timeout=timeout)

    def subscriptions(self) -> list[Declared]:
        """What the app declares; nothing when it has no such path.

        Raises:
            Unreachable: Nobody answers on its port.
            ConfigurationError: What it declares cannot be served.
        """
        status, body = self._ask("GET", "/dapr/subscribe")
        if status == 404:
            return []
        if status != 200:
            raise ConfigurationError(f"/dapr/subscribe answered {status}")
        return read_declared(body)

    def send(self, path: str, declared: Declared, event: Handed) -> Status:
        """Post one event.

        Raises:
            Unreachable: No answer; Gone when nobody is there.
        """
        body = event.delivery.body
        if declared.raw:
            body = _wrapped(declared, body)
        headers = {"content-type": CLOUD_EVENT, **_trace(event.envelope)}
        return _status_of_one(*self._ask("POST", path, body, headers))

    def send_bulk(self, path: str, declared: Declared, events: Sequence[Handed]) -> Answers:
        """Post *events* in one request.

        Raises:
            Unreachable: No answer; Gone when nobody is there.
        """
        body = orjson.dumps(
            {
                "id": str(uuid4()),
                "type": BULK_TYPE,
                "topic": declared.topic,
                "pubsubname": declared.pubsub,
                "metadata": {"pubsubName": declared.pubsub},
                "entries": [_entry(event, declared.raw) for event in events],
            }
        )
        status, said = self._ask("POST", path, body, {"content-type": JSON})
        return _statuses(status, said, events)

    def close(self) -> None:
        """Close the connection."""
        self._line.close()

    def _ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Once more on a new connection when an old one turns out to have been closed."""
        old = self._line.sock is not None
        try:
            return self._ask_once(method, path, body, headers)
        except (ConnectionResetError, BrokenPipeError) as error:
            if not old:
                raise self._gone(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._gone(error) from error
        try:
            return self._ask_once(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise self._gone(error) from error

    def _ask_once(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        token = {"dapr-api-token": self._app.token} if self._app.token else {}
        try:
            path = path if path.startswith("/") else f"/{path}"
            path = quote(path, safe="/%?&=:@!$'()*+,;~")
            self._line.request(method, path, body or None, {**(headers or {}), **token})
            answer = self._line.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self._line.close()
            raise

    def _gone(self, error: Exception) -> Unreachable:
        where = f"{self._app.host}:{self._app.port}"
        gone = isinstance(error, ConnectionError)
        kind = Gone if gone else Unreachable
        return kind(f"app {self._app.id} does not answer on {where}: {error}")


def _entry(event: Handed, raw: bool) -> dict[str, object]:
    if raw:
        payload: object = b64encode(event.delivery.body).decode()
    else:
        payload = orjson.Fragment(event.delivery.body)
    kind = BINARY if raw else CLOUD_EVENT
    return {"entryId": event.delivery.entry, "event": payload, "contentType": kind, "metadata": {}}


def _wrapped(declared: Declared, body: bytes) -> bytes:
    return orjson.dumps(
        {
            "data_base64": b64encode(body).decode(), "datacontenttype": BINARY,
            "id": str(uuid4()), "pubsubname": declared.pubsub, "source": "Dapr",
            "specversion": "1.0", "topic": declared.topic, "type": EVENT_TYPE,
        },
        option=orjson.OPT_SORT_KEYS,
    )  # fmt: skip


def _trace(envelope: Mapping[str, object] | None) -> dict[str, str]:
    given = {name: (envelope or {}).get(name) for name in ("traceparent", "tracestate")}
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, str) and value and value.isascii() and value.isprintable()
    }


def _status_of_one(status: int, body: bytes) -> Status:
    """Any 2xx is a success that names no other; 404 drops; everything else is tried again."""
    if status == 404:
        return Status.DROP
    if not 200 <= status <= 299:
        return Status.RETRY
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Status.SUCCESS
    if not isinstance(answer, dict):
        return Status.SUCCESS
    return _status(answer.get("status") or Status.SUCCESS.value)


def _statuses(status: int, body: bytes, events: Sequence[Handed]) -> Answers:
    """In bulk every event needs a status of its own: without one it is tried again."""
    if not 200 <= status <= 299:
        return [(event, Status.DROP if status == 404 else Status.RETRY) for event in events]
    try:
        listed = orjson.loads(body)["statuses"]
        told = {each["entryId"]: _status(each.get("status")) for each in listed}
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        log.warning("no statuses in the app's answer", extra={"error": repr(error)})
        told = {}
    return [(event, told.get(event.delivery.entry, Status.RETRY)) for event in events]


def _status(given: object) -> Status:
    return Status.__members__.get(str(given), Status.RETRY)
