"""What is sent to a Dapr sidecar, and what is made of its answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest

from workerkit.errors import InvalidPayload, StorageError
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.testing import FakeClock
from workerkit.transports.dapr import DaprOptions, DaprTransport
from workerkit.transports.dapr import client as module
from workerkit.transports.dapr.client import SidecarClient
from workerkit.transports.dapr.trace import carry, restore


class Clock(FakeClock):
    """Nobody waits; for how long they would have is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, event: threading.Event, timeout: float) -> bool:
        self.waits.append(timeout)
        return super().wait(event, timeout)


class Scripted:
    """A sidecar that answers request *n* with what `answers` say; 204 where they are silent."""

    def __init__(self) -> None:
        self.answers: dict[int, tuple[int, Any]] = {}
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.close_after: set[int] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                number = len(server.requests)
                server.requests.append((self.path, dict(self.headers.items()), body))
                status, said = server.answers.get(number, (204, None))
                answer = b"" if said is None else orjson.dumps(said)
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.close_connection = number in server.close_after

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def bulks(self) -> list[list[Any]]:
        """The ids of the events of each bulk."""
        return [[entry["event"]["id"] for entry in orjson.loads(b)] for _, _, b in self.requests]


@pytest.fixture
def sidecar() -> Iterator[Scripted]:
    opened = Scripted()
    yield opened
    opened.server.shutdown()
    opened.server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(sidecar, clock) -> Iterator[SidecarClient]:
    opened = SidecarClient(sidecar.port, token="secret", clock=clock)
    yield opened
    opened.close()


def message(number: int, topic: str = "orders", **more: Any) -> Message:
    return Message(topic, encode(Event(topic, {"n": number}, id=f"e{number}", **more)))


def failed(*entries: int, said: str = "broker is down") -> tuple[int, Any]:
    listed = [{"entryId": str(entry), "error": said} for entry in entries]
    return 500, {"failedEntries": listed, "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE"}


def test_events_go_out_as_they_are_with_the_token(client, sidecar):
    client.publish([message(1, source="shop", extensions={"colour": "red"})])
    ((path, headers, body),) = sidecar.requests
    assert path == "/v1.0-alpha1/publish/bulk/pubsub/orders"
    assert headers["dapr-api-token"] == "secret"
    (entry,) = orjson.loads(body)
    assert entry["contentType"] == "application/cloudevents+json"
    assert (entry["event"]["colour"], entry["event"]["source"]) == ("red", "shop")


def test_a_topic_is_quoted_in_the_path(client, sidecar):
    client.publish([message(1, topic="a/b c")])
    assert sidecar.requests[0][0].endswith("/pubsub/a%2Fb%20c")


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_topics_go_out_apart_each_in_its_order(client, sidecar):
    client.publish([message(1), message(2, "other"), message(3)])
    assert sidecar.bulks() == [["e1", "e3"], ["e2"]]


def test_a_trace_goes_with_its_event_and_with_the_request_that_has_no_other(client, sidecar):
    other = TRACE.replace("0af7", "1111")
    client.publish([message(1, traceparent=TRACE), message(2, traceparent=TRACE)])
    client.publish([message(3), message(4, traceparent=TRACE), message(5, traceparent=other)])
    assert [headers.get("traceparent") for _, headers, _ in sidecar.requests] == [TRACE, None]
    carried = [
        entry["event"].get("workerkittrace")
        for _, _, body in sidecar.requests
        for entry in orjson.loads(body)
    ]
    assert carried == [TRACE, TRACE, None, TRACE, other]


@pytest.mark.parametrize(
    ("came", "restored"),
    [
        ("", TRACE),
        ("00-ffffffffffffffffffffffffffffffff-b7ad6b7169203331-01", TRACE),
        (TRACE[:36] + "1111111111111111-01", TRACE[:36] + "1111111111111111-01"),
    ],
)
def test_a_trace_that_dapr_replaced_is_restored_unless_it_goes_on(came, restored):
    sent = orjson.loads(carry(encode(Event("orders", {"n": 1}, traceparent=TRACE)), TRACE))
    envelope = {**sent, "traceparent": came, "traceid": came}
    restore(envelope)
    assert (envelope["traceparent"], "workerkittrace" in envelope) == (restored, False)


def test_a_trace_that_would_break_the_request_is_left_out(client, sidecar):
    client.publish([message(1, traceparent="00-x\r\nhost: evil"), message(2, traceparent="ü")])
    assert [headers.get("traceparent") for _, headers, _ in sidecar.requests] == [None]


def test_many_events_go_out_in_chunks(client, sidecar):
    client.publish([message(n) for n in range(1100)])
    assert [len(bulk) for bulk in sidecar.bulks()] == [500, 500, 100]


def test_large_events_go_out_in_smaller_chunks(client, sidecar, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1000)
    large = [
        Message("orders", encode(Event("orders", "x" * size, id=f"e{n}")))
        for n, size in enumerate((300, 300, 3000, 10))
    ]
    client.publish(large)
    assert sidecar.bulks() == [["e0"], ["e1"], ["e2"], ["e3"]]


def test_only_what_failed_is_sent_again(client, sidecar, clock):
    sidecar.answers = {0: failed(1, 3), 1: failed(0)}
    client.publish([message(n) for n in range(4)])
    assert sidecar.bulks() == [["e0", "e1", "e2", "e3"], ["e1", "e3"], ["e1"]]
    assert len(clock.waits) == 2


def test_what_fails_again_and_again_is_told_with_the_reason(client, sidecar):
    sidecar.answers = dict.fromkeys(range(9), failed(0))
    with pytest.raises(StorageError, match="1 of a bulk to orders not published: broker is down"):
        client.publish([message(1), message(2)])
    assert len(sidecar.requests) == 4


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (404, {"errorCode": "ERR_PUBSUB_NOT_FOUND", "message": "no pubsub"}, "no pubsub"),
        (401, None, "answers 401"),
        (413, ["odd"], "answers 413"),
    ],
)
def test_what_would_fail_again_is_not_sent_again(client, sidecar, status, said, told):
    sidecar.answers = {0: (status, said)}
    with pytest.raises(StorageError, match=told):
        client.publish([message(1)])
    assert len(sidecar.requests) == 1


@pytest.mark.parametrize("entries", [["odd"], [{"entryId": "99"}], [{}]])
def test_failures_that_cannot_be_told_apart_send_all_again(client, sidecar, entries):
    sidecar.answers = {0: (500, {"failedEntries": entries})}
    client.publish([message(1), message(2)])
    assert sidecar.bulks() == [["e1", "e2"], ["e1", "e2"]]


@pytest.mark.parametrize("body", [b"no JSON", b"[1]", b'"text"'])
def test_what_is_no_cloud_event_is_refused(client, body):
    with pytest.raises(InvalidPayload, match="no CloudEvent"):
        client.publish([Message("orders", body)])


def test_a_kept_connection_that_was_closed_is_replaced(client, sidecar):
    sidecar.close_after = {0}
    client.publish([message(1)])
    client.publish([message(2)])
    assert sidecar.bulks() == [["e1"], ["e2"]]


def test_a_sidecar_that_is_not_there_is_named_with_the_way_out(clock):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        client = SidecarClient(port, clock=clock)
        with pytest.raises(StorageError, match=f"{port} does not answer.*waited 60 s"):
            client.wait(60)
    assert 60 <= clock.monotonic() < 62


def test_a_start_waits_for_the_sidecar_until_told_to_end(client, sidecar):
    sidecar.answers = {0: (500, None), 1: (500, None)}
    assert client.wait(60)
    assert [path for path, _, _ in sidecar.requests] == ["/v1.0/healthz/outbound"] * 3
    assert not client.wait(60, lambda: True)


def test_a_sidecar_that_hands_out_nothing_is_looked_at(sidecar, clock):
    transport = DaprTransport(DaprOptions(http_port=sidecar.port), clock=clock)
    subscription = transport.subscribe("orders", "shop")
    transport.callbacks.asked.set()
    assert subscription.receive(10, 0) == []
    assert sidecar.requests == []
    clock.advance(10)
    assert subscription.receive(10, 0) == []
    sidecar.answers = {1: (500, None)}
    clock.advance(10)
    with pytest.raises(StorageError, match="not ready: it answers 500"):
        subscription.receive(10, 0)
    transport.close()


@pytest.mark.parametrize("listed", [{}, {"subscriptions": [{"topic": "other"}]}])
def test_a_sidecar_that_was_not_told_our_port_is_found_out(sidecar, clock, listed):
    transport = DaprTransport(DaprOptions(http_port=sidecar.port), clock=clock)
    subscription = transport.subscribe("orders", "shop")
    transport.callbacks.port = 8102
    sidecar.answers = {n: (200, {"id": "shop", **listed}) for n in (1, 3)}
    clock.advance(10)
    assert subscription.receive(10, 0) == []
    clock.advance(10)
    with pytest.raises(StorageError, match="nothing of orders: start it with --app-port 8102"):
        subscription.receive(10, 0)
    transport.close()


def test_a_sidecar_that_was_there_before_us_knows_our_topics(sidecar, clock):
    transport = DaprTransport(DaprOptions(http_port=sidecar.port), clock=clock)
    subscription = transport.subscribe("orders", "shop")
    sidecar.answers = {1: (200, {"subscriptions": [{"topic": "orders"}, {"topic": "more"}]})}
    for _ in range(3):
        clock.advance(100)
        assert subscription.receive(10, 0) == []
    transport.close()


@pytest.mark.parametrize(
    ("receive", "app_id", "warned"),
    [
        ("stream", "other", True),
        ("stream", "the_shop", False),
        ("stream", "the-shop", False),
        ("http", "other", False),
    ],
)
def test_a_stream_that_others_share_is_told(sidecar, caplog, receive, app_id, warned):
    sidecar.answers = {0: (200, {"id": app_id})}
    transport = DaprTransport(DaprOptions(http_port=sidecar.port, receive=receive))
    transport.check_app_id("the_shop")
    assert [record.app_id for record in caplog.records] == (["other"] if warned else [])
    transport.close()


def test_what_cannot_be_looked_into_is_empty(sidecar):
    transport = DaprTransport(DaprOptions(http_port=sidecar.port))
    looks: list[Callable[[], Any]] = [
        transport.topics, lambda: transport.read("t", "", 5), lambda: transport.last("t"),
        lambda: transport.lag("t", "g").events,
    ]  # fmt: skip
    assert [look() for look in looks] == [{}, [], "", 0]
    transport.close()
