"""The sidecar on a real port and a real broker file, asked as curl would ask it."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from workerkit.core.supervisor import Supervisor
from workerkit.errors import StorageError
from workerkit.events.transport import Message
from workerkit.sidecar import PubSub, Sidecar
from workerkit.sidecar.publisher import Publisher
from workerkit.transports.memory import MemoryTransport
from workerkit.transports.sqlite import SqliteTransport

TOPIC = "warehouse.stock.updated"
JSON = {"content-type": "application/json"}
BULK = "/v1.0/publish/bulk/pubsub/orders"


class World:
    """A sidecar, and what it put into its broker."""

    def __init__(self, transport: SqliteTransport, token: str | None = None) -> None:
        self.transport = transport
        self.sidecar = Sidecar([PubSub("pubsub", transport)], app_id="app-a", port=0, token=token)
        self.sidecar.start()

    def ask(
        self, path: str, body: bytes | None = b"1", method: str = "POST", **headers: str
    ) -> tuple[int, Any]:
        """Status and parsed body, None when empty; `_` in a header's name is `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.sidecar.port}{path}"
        request = Request(url, body, {**JSON, **named}, method=method)
        try:
            with urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self.ask(path, None, "GET", **headers)

    def bodies(self, topic: str = "orders") -> list[bytes]:
        return [delivery.body for delivery in self.transport.read(topic, "", 1000)]

    def events(self, topic: str = "orders") -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies(topic)]


@pytest.fixture
def transport(tmp_path) -> Iterator[SqliteTransport]:
    opened = SqliteTransport(tmp_path / "broker.db")
    yield opened
    opened.close()


@pytest.fixture
def world(transport) -> Iterator[World]:
    opened = World(transport)
    yield opened
    opened.sidecar.stop(5)


def test_the_checklists_curl_line_is_stored_as_dapr_stores_it(world):
    sent = b'{"productId":"test-123","sku":"SKU-001","newStock":100}'
    assert world.ask(f"/v1.0/publish/pubsub/{TOPIC}", sent) == (204, None)
    (event,) = world.events(TOPIC)
    assert len(event.pop("id")) == 36
    assert event.pop("time").endswith("Z")
    assert event == {
        "data": {"newStock": 100, "productId": "test-123", "sku": "SKU-001"},
        "datacontenttype": "application/json",
        "pubsubname": "pubsub",
        "source": "app-a",
        "specversion": "1.0",
        "topic": "warehouse.stock.updated",
        "traceid": "",
        "traceparent": "",
        "tracestate": "",
        "type": "com.dapr.event.sent",
    }


def test_what_was_published_can_be_read_and_an_id_of_ones_own_is_kept(world):
    trace = "00-113ad9c4e42b27583ae98ba698d54255-e3743e35ff56f219-01"
    path = "/v1.0/publish/pubsub/orders?metadata.cloudevent.id=mine&metadata.other=x"
    assert world.ask(path, b"7", "PUT", traceparent=trace) == (204, None)
    (event,) = world.events()
    assert [event[name] for name in ("id", "data", "traceid")] == ["mine", 7, trace]


def test_a_topic_may_hold_slashes_and_escapes(world):
    assert world.ask("/v1.0/publish/pubsub/a/b%20c")[0] == 204
    assert world.events("a/b c")[0]["topic"] == "a/b c"


def test_a_raw_payload_is_stored_verbatim(world):
    assert world.ask("/v1.0/publish/pubsub/orders?metadata.rawPayload=true", b"\xff")[0] == 204
    assert world.bodies() == [b"\xff"]


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/v1.0/publish/pubsup/t", 404, "ERR_PUBSUB_NOT_FOUND", "did you mean 'pubsub'?"),
        ("/v1.0/publish/kafka/t", 404, "ERR_PUBSUB_NOT_FOUND", "There is: pubsub."),
        ("/v1.0/publish/bulk/kafka/t", 404, "ERR_PUBSUB_NOT_FOUND", "There is: pubsub."),
        ("/v1.0/publish/pubsub/", 404, "ERR_TOPIC_NAME_EMPTY", "/v1.0/publish/pubsub/TOPIC"),
        ("/v1.0/publish/pubsub", 404, "ERR_TOPIC_NAME_EMPTY", "topic is empty in pubsub pubsub"),
        ("/v1.0/publish/bulk/pubsub/", 404, "ERR_TOPIC_NAME_EMPTY", "topic is empty"),
        ("/v1.0/invoke/a", 404, "ERR_NOT_FOUND", "nothing at /v1.0/invoke/a: this sidecar serves"),
        ("/v1.0/state/store", 400, "ERR_STATE_STORE_NOT_FOUND", "There is: none."),
        ("/v1.0/metadata", 405, "ERR_METHOD_NOT_ALLOWED", "/v1.0/metadata takes GET, HEAD"),
        ("/v1.0/publish/pubsub/t?metadata.ttlInSeconds=soon", 400,
         "ERR_PUBSUB_REQUEST_METADATA", "ttlInSeconds is 'soon'"),
        ("/v1.0/publish/pubsub/t?metadata.ttlInSeconds=1&metadata.ttlInSeconds=2", 400,
         "ERR_PUBSUB_REQUEST_METADATA", "ttlInSeconds is given twice"),
        (f"{BULK}?metadata.cloudevent.id=1", 400,
         "ERR_PUBSUB_REQUEST_METADATA", "would give every entry one id"),
        (BULK, 400, "ERR_PUBSUB_EVENTS_SER", "the whole: Input should be a valid list"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_served_says_why_and_stores_nothing(
    world, path, status, code, message
):
    answered, said = world.ask(path)
    assert (answered, said["errorCode"]) == (status, code)
    assert message in said["message"]
    assert world.transport.topics() == {}


def test_a_wrong_method_is_told_the_right_ones(world):
    status, said = world.get("/v1.0/publish/pubsub/orders")
    assert (status, said["errorCode"]) == (405, "ERR_METHOD_NOT_ALLOWED")
    assert said["message"] == "/v1.0/publish/pubsub/orders takes POST, PUT"


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        (b"[" * 5000 + b"]" * 5000, 400, "ERR_PUBSUB_CLOUD_EVENTS_SER", "nested too deeply"),
        (b'{"a":"\xff"}', 400, "ERR_PUBSUB_CLOUD_EVENTS_SER", "not UTF-8 at byte 6"),
    ],
    ids=["deep", "not utf-8"],
)
def test_a_body_that_cannot_be_carried_is_refused(world, body, status, code, message):
    answered, said = world.ask("/v1.0/publish/pubsub/orders", body)
    assert (answered, said["errorCode"]) == (status, code)
    assert message in said["message"]
    assert world.events() == []


def test_a_body_over_the_limit_is_refused_and_the_connection_goes_on(world):
    connection = http.client.HTTPConnection("127.0.0.1", world.sidecar.port, timeout=20)
    said = []
    for body in (b"1" * 5_000_000, b"1"):
        connection.request("POST", "/v1.0/publish/pubsub/orders", body, JSON)
        answer = connection.getresponse()
        said.append((answer.status, answer.read()))
    connection.close()
    assert [status for status, _ in said] == [413, 204]
    assert b"the body is larger than 4194304 bytes" in said[0][1]


@pytest.mark.parametrize("path", ["/v1.0/healthz", "/v1.0/healthz/outbound"])
def test_health_is_an_empty_answer(world, path):
    assert world.get(path) == (204, None)


def test_metadata_names_the_app_and_its_pubsub(world):
    status, said = world.get("/v1.0/metadata")
    (component,) = said["components"]
    assert (status, said["id"], component["name"]) == (200, "app-a", "pubsub")
    assert component["type"].startswith("pubsub.")
    assert said["runtimeVersion"] == said["extended"]["daprRuntimeVersion"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, "ERR_FOREIGN_HOST"),
        ({"origin": "https://evil.example"}, "ERR_FOREIGN_ORIGIN"),
    ],
)
def test_another_sites_page_cannot_publish(world, headers, code):
    status, said = world.ask("/v1.0/publish/pubsub/orders", **headers)
    assert (status, said["errorCode"]) == (403, code)
    assert world.events() == []


def test_a_token_is_asked_for_except_by_health(transport):
    world = World(transport, token="secret")
    try:
        path = "/v1.0/publish/pubsub/orders"
        assert world.ask(path)[0] == world.ask(path, dapr_api_token="guess")[0] == 401
        assert world.get("/v1.0/metadata")[0] == 401
        assert world.ask(path, dapr_api_token="secret")[0] == 204
        assert world.get("/v1.0/healthz")[0] == world.get("/v1.0/healthz/outbound")[0] == 204
        assert len(world.events()) == 1
    finally:
        world.sidecar.stop(5)


@pytest.mark.parametrize("base", ["/v1.0", "/v1.0-alpha1"])
def test_a_bulk_request_publishes_each_entry_in_order(world, base):
    entries = [
        {"entryId": "1", "event": {"n": 1}, "contentType": "application/json",
         "metadata": {"cloudevent.id": "mine"}},
        {"entryId": "2", "event": "two", "contentType": "text/plain"},
    ]  # fmt: skip
    path = f"{base}/publish/bulk/pubsub/orders?metadata.ttlInSeconds=60"
    assert world.ask(path, json.dumps(entries).encode()) == (204, None)
    first, second = world.events()
    assert (first["id"], first["data"], second["data"]) == ("mine", {"n": 1}, "two")
    assert "expiration" in first.keys() & second.keys()


def test_an_empty_bulk_request_is_fine(world):
    assert world.ask(BULK, b"[]") == (204, None)


def test_of_a_bulk_request_what_can_go_goes_and_the_rest_is_named(world):
    entries = [
        {"entryId": "good", "event": 1, "contentType": "application/json"},
        {"entryId": "binary", "event": "no!", "contentType": "application/octet-stream"},
        {"entryId": "ttl", "event": 1, "metadata": {"ttlInSeconds": "soon"}},
    ]
    status, said = world.ask(BULK, json.dumps(entries).encode())
    assert (status, said["errorCode"]) == (500, "ERR_PUBSUB_PUBLISH_MESSAGE")
    failed = {entry["entryId"]: entry["error"] for entry in said["failedEntries"]}
    assert failed.keys() == {"binary", "ttl"}
    assert "not base64" in failed["binary"]
    assert [event["data"] for event in world.events()] == [1]


def test_a_closed_broker_file_is_one_clear_line(world, caplog):
    world.transport.close()
    with caplog.at_level(logging.WARNING):
        status, said = world.ask("/v1.0/publish/pubsub/orders")
    assert (status, said["errorCode"]) == (500, "ERR_PUBSUB_PUBLISH_MESSAGE")
    start = "error when publishing to topic orders in pubsub pubsub: embedded broker "
    assert said["message"].startswith(start)
    assert "\n" not in said["message"]
    (record,) = caplog.records
    assert (record.message, record.exc_info) == ("could not publish", None)


def test_a_locked_broker_file_fails_every_entry_and_serves_again_once_free(world):
    with world.transport.guard() as db:
        db.execute("PRAGMA busy_timeout=20")
    other = sqlite3.connect(world.transport.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    entries = b'[{"entryId": "a", "event": 1}, {"entryId": "b", "event": 2}]'
    status, said = world.ask(BULK, entries)
    assert (status, [entry["entryId"] for entry in said["failedEntries"]]) == (500, ["a", "b"])
    assert said["failedEntries"][0]["error"].endswith("database is locked")
    assert world.ask("/v1.0/publish/pubsub/orders")[0] == 500
    other.execute("ROLLBACK")
    other.close()
    assert world.ask(BULK, entries) == (204, None)
    assert [event["data"] for event in world.events()] == [1, 2]


def test_32_publishers_at_once_lose_nothing_and_keep_their_own_order(world):
    each = 20

    def publish(publisher: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", world.sidecar.port, timeout=20)
        statuses = []
        for n in range(each):
            body = json.dumps([publisher, n])
            connection.request("POST", "/v1.0/publish/pubsub/orders", body, JSON)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(publish, range(32))) == [[204] * each] * 32
    events = world.events()
    assert len({event["id"] for event in events}) == 32 * each
    for publisher in range(32):
        own = [event["data"][1] for event in events if event["data"][0] == publisher]
        assert own == list(range(each))


def test_it_lives_under_a_supervisor_and_starts_again(transport):
    world = World(transport)
    world.sidecar.stop(5)
    supervisor = Supervisor([world.sidecar])
    supervisor.start()
    try:
        assert world.ask("/v1.0/publish/pubsub/orders")[0] == 204
    finally:
        supervisor.stop(5)
    assert not world.sidecar.alive


class GatedTransport(MemoryTransport):
    """Records each publish, and holds the first until told."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.entered, self.gate = threading.Event(), threading.Event()
        self.failing = False

    def publish(self, messages: Sequence[Message]) -> None:
        self.sizes.append(len(messages))
        self.entered.set()
        assert self.gate.wait(10)
        if self.failing:
            raise StorageError("broker is away")
        super().publish(messages)


async def publish_one_then_three(transport: GatedTransport) -> list[object]:
    publisher = Publisher(transport)
    first = asyncio.create_task(publisher.publish([Message("t", b"0")]))
    await asyncio.to_thread(transport.entered.wait, 10)
    later = [publisher.publish([Message("t", b"%d" % n)]) for n in (1, 2, 3)]
    waiting = asyncio.gather(first, *later, return_exceptions=True)
    await asyncio.sleep(0)
    transport.gate.set()
    return await waiting


def test_what_waits_while_a_publish_runs_goes_out_together():
    transport = GatedTransport()
    assert asyncio.run(publish_one_then_three(transport)) == [None] * 4
    assert transport.sizes == [1, 3]
    assert [entry.body for entry in transport.read("t", "", 10)] == [b"0", b"1", b"2", b"3"]


def test_a_failure_reaches_everyone_who_went_out_together():
    transport = GatedTransport()
    transport.failing = True
    outcomes = asyncio.run(publish_one_then_three(transport))
    assert [str(outcome) for outcome in outcomes] == ["broker is away"] * 4


def test_a_body_that_is_refused_while_it_is_sent_gets_its_answer(world):
    request = Request(
        f"http://127.0.0.1:{world.sidecar.port}/v1.0/publish/pubsub/{TOPIC}", method="POST"
    )
    request.data = b"x" * (9 * 2**20)
    with pytest.raises(HTTPError) as answer:
        urlopen(request, timeout=20)
    assert answer.value.code == 413
    assert json.load(answer.value)["errorCode"] == "ERR_BODY_TOO_LARGE"
