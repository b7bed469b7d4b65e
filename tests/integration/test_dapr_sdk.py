"""The official Dapr SDK, unchanged, against the local sidecar, or against a real one.

To point it at a real sidecar, set REAL_DAPR_HTTP_PORT and REAL_DAPR_GRPC_PORT.
It needs a pub/sub component `pubsub` and a state store `statestore`, and a
`processingTimeout` of some seconds. What is about the local sidecar's own
promises is left out then: today's Dapr acknowledges what failed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from tests.dapr_sdk import AsyncSdk, SyncSdk
from tests.ports import free_port
from tests.started import Place, environment
from tests.waiting import until
from workerkit.sidecar import PubSub, Sidecar
from workerkit.transports.memory import MemoryTransport

grpc = pytest.importorskip("grpc", reason="needs the extra dapr")
exceptions = pytest.importorskip("dapr.clients.exceptions", reason="needs the extra dapr")

EVENTS = 5_000
"""Published and received by each of the two clients: 10,000 in all."""

CHUNK = 1000

REAL = [os.environ.get(name) for name in ("REAL_DAPR_HTTP_PORT", "REAL_DAPR_GRPC_PORT")]
PATIENCE = 180.0 if all(REAL) else 30.0
PUBSUB, STORE = "pubsub", "statestore"
JSON = "application/json"

REFUSED = (grpc.RpcError, exceptions.DaprInternalError)
"""The asynchronous client wraps some of its errors."""

ours = pytest.mark.skipif(all(REAL), reason="a promise of the local sidecar alone")

TOML = """
name = "shop"
transport = "sqlite"
lease = 600
"""
"""No test waits for a lease: what comes again was given back."""

CLIENT = """
import sys
from dapr.clients import DaprClient

with DaprClient() as client:
    subscription = client.subscribe("pubsub", sys.argv[1])
    for number in range(int(sys.argv[2])):
        subscription.next_message()
    print("holding", flush=True)
    subscription.next_message()
    sys.stdin.read()
"""
"""Takes events and answers none of them."""


@dataclass(frozen=True)
class Ports:
    http: int
    grpc: int

    def variables(self) -> dict[str, str]:
        return {"DAPR_HTTP_PORT": str(self.http), "DAPR_GRPC_PORT": str(self.grpc)}


@pytest.fixture(scope="module")
def ports(tmp_path_factory) -> Iterator[Ports]:
    """Those of a sidecar that runs."""
    if all(REAL):
        yield Ports(*(int(port) for port in REAL if port))
        return
    folder = tmp_path_factory.mktemp("sidecar") / "project"
    folder.mkdir()
    place = Place(folder)
    place.write("workerkit.toml", TOML)
    started = place.start("sidecar", "--port=0", "--grpc-port=0").says("gRPC on")
    found = re.search(r"running on port (\d+), gRPC on (\d+)", started.said)
    assert found
    yield Ports(int(found[1]), int(found[2]))
    assert started.signal(signal.SIGTERM) == 0
    place.close()


@pytest.fixture(params=[SyncSdk, AsyncSdk], ids=["sync", "async"])
def kind(request, ports, monkeypatch) -> Any:
    """One of the two clients, not yet made."""
    for name, value in ports.variables().items():
        monkeypatch.setenv(name, value)
    return request.param


@pytest.fixture
def sdk(kind) -> Iterator[Any]:
    opened = kind()
    yield opened
    opened.close()


@pytest.fixture
def topic() -> str:
    return f"topic-{uuid4().hex[:12]}"


def publish(sdk: Any, topic: str, count: int) -> None:
    for start in range(0, count, CHUNK):
        some = [json.dumps({"n": n}) for n in range(start, min(count, start + CHUNK))]
        answer = sdk.publish_events(PUBSUB, topic, some, data_content_type=JSON)
        assert not answer.failed_entries


def test_an_event_arrives_as_it_was_published(sdk, topic):
    subscription = sdk.subscribe(PUBSUB, topic)
    sent = [(JSON, b'{"n":1}'), ("text/plain", b"word"), ("application/octet-stream", b"\x00\xff")]
    for content_type, data in sent:
        sdk.publish_event(PUBSUB, topic, data, data_content_type=content_type)
        message = subscription.next_message()
        subscription.respond_success(message)
        assert (message.raw_data(), message.data_content_type()) == (data, content_type)
        assert (message.topic(), message.pubsub_name()) == (topic, PUBSUB)
    subscription.close()


def test_metadata_overrides_the_envelope(sdk, topic):
    subscription = sdk.subscribe(PUBSUB, topic)
    metadata = {"cloudevent.id": "mine", "cloudevent.type": "made"}
    sdk.publish_event(PUBSUB, topic, "1", publish_metadata=metadata, data_content_type=JSON)
    message = subscription.next_message()
    subscription.respond_success(message)
    subscription.close()
    assert (message.id(), message.type()) == ("mine", "made")


def test_no_event_of_many_is_lost_or_repeated(sdk, topic):
    publish(sdk, topic, EVENTS)
    subscription = sdk.subscribe(PUBSUB, topic)
    seen = []
    while len(seen) < EVENTS:
        message = subscription.next_message()
        seen.append(message.data()["n"])
        subscription.respond_success(message)
    publish(sdk, topic, 1)  # had one come twice, it would come before this
    seen.append(subscription.next_message().data()["n"])
    subscription.close()
    assert sorted(seen) == [0, *range(EVENTS)]


def test_a_handler_gets_every_event_once(sdk, topic):
    from dapr.clients.grpc._response import TopicEventResponse  # noqa: PLC0415

    seen: list[int] = []

    def handle(message: Any) -> TopicEventResponse:
        seen.append(message.data()["n"])
        return TopicEventResponse("success")

    close = sdk.subscribe_with_handler(PUBSUB, topic, handle)
    publish(sdk, topic, 500)
    until(lambda: len(seen) >= 500, PATIENCE)
    close()
    assert sorted(seen) == list(range(500))


@ours
def test_an_event_that_is_to_be_retried_comes_again(sdk, topic):
    subscription = sdk.subscribe(PUBSUB, topic)
    publish(sdk, topic, 1)
    first = subscription.next_message()
    subscription.respond_retry(first)
    again = subscription.next_message()
    subscription.respond_success(again)
    subscription.close()
    assert again.id() == first.id()


def test_a_dropped_event_goes_to_the_dead_letter_topic(sdk, topic):
    dead = f"{topic}.dead"
    subscription = sdk.subscribe(PUBSUB, topic, dead_letter_topic=dead)
    letters = sdk.subscribe(PUBSUB, dead)
    publish(sdk, topic, 1)
    message = subscription.next_message()
    subscription.respond_drop(message)
    letter = letters.next_message()
    letters.respond_success(letter)
    for each in (subscription, letters):
        each.close()
    assert letter.data() == message.data()


@ours
def test_two_events_with_one_id_are_both_answered(sdk, topic):
    subscription = sdk.subscribe(PUBSUB, topic)
    metadata = {"cloudevent.id": "twin"}
    for n in (1, 2):
        sdk.publish_event(PUBSUB, topic, str(n), publish_metadata=metadata, data_content_type=JSON)
    seen = []
    for _ in range(2):
        message = subscription.next_message()
        seen.append(message.data())
        subscription.respond_success(message)
    subscription.close()
    assert sorted(seen) == [1, 2]


def test_what_a_killed_client_held_goes_to_the_next(sdk, topic, ports):
    publish(sdk, topic, 20)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, topic, "10"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=environment(ports.variables()),
    )  # fmt: skip
    assert client.stdout
    assert client.stdout.readline() == b"holding\n"
    client.kill()
    client.wait(10)
    client.stdin.close()
    client.stdout.close()
    subscription = sdk.subscribe(PUBSUB, topic)
    seen: set[int] = set()
    while len(seen) < 20:
        message = subscription.next_message()
        seen.add(message.data()["n"])
        subscription.respond_success(message)
    subscription.close()


@ours
def test_clients_wait_until_the_sidecar_is_healthy(tmp_path, monkeypatch):
    folder = tmp_path / "late"
    folder.mkdir()
    place = Place(folder)
    place.write("workerkit.toml", TOML)
    ports = Ports(free_port(), free_port())
    for name, value in ports.variables().items():
        monkeypatch.setenv(name, value)
    made: list[Any] = []
    waiting = [
        threading.Thread(target=lambda kind=kind: made.append(kind()), daemon=True)
        for kind in (SyncSdk, AsyncSdk)
    ]
    for each in waiting:
        each.start()
    try:
        place.start("sidecar", f"--port={ports.http}", f"--grpc-port={ports.grpc}").says("gRPC on")
        for each in waiting:
            each.join(PATIENCE)
        assert [client.get_metadata().application_id for client in made] == ["shop", "shop"]
        for client in made:
            client.close()
    finally:
        place.close()


def test_state_is_saved_read_and_deleted(sdk):
    key, other = uuid4().hex, uuid4().hex
    assert sdk.get_state(STORE, key).data == b""
    sdk.save_state(STORE, key, "one")
    found = sdk.get_state(STORE, key)
    assert (found.data, bool(found.etag)) == (b"one", True)
    sdk.save_state(STORE, key, "two")
    assert sdk.get_state(STORE, key).etag != found.etag
    items = sdk.get_bulk_state(STORE, [key, other]).items
    assert {item.key: item.data for item in items} == {key: b"two", other: b""}
    sdk.delete_state(STORE, key)
    assert sdk.get_state(STORE, key).data == b""


def test_an_old_etag_changes_nothing_unless_the_last_write_wins(sdk):
    from dapr.clients.grpc._state import Concurrency, StateOptions  # noqa: PLC0415

    first = StateOptions(concurrency=Concurrency.first_write)
    last = StateOptions(concurrency=Concurrency.last_write)
    key = uuid4().hex
    sdk.save_state(STORE, key, "one")
    old = sdk.get_state(STORE, key).etag
    sdk.save_state(STORE, key, "two", etag=old, options=first)
    for change in (sdk.delete_state, partial(sdk.save_state, value="three")):
        with pytest.raises(REFUSED, match=r"(?i)etag"):
            change(store_name=STORE, key=key, etag=old, options=first)
        assert sdk.get_state(STORE, key).data == b"two"
    plain = uuid4().hex
    sdk.save_state(STORE, plain, "one")
    old = sdk.get_state(STORE, plain).etag
    sdk.save_state(STORE, plain, "two")
    sdk.save_state(STORE, plain, "three", etag=old, options=last)
    assert sdk.get_state(STORE, plain).data == b"three"


def test_a_transaction_changes_several_keys(sdk):
    from dapr.clients.grpc._request import (  # noqa: PLC0415
        TransactionalStateOperation,
        TransactionOperationType,
    )

    gone, made = uuid4().hex, uuid4().hex
    sdk.save_state(STORE, gone, "one")
    operations = [
        TransactionalStateOperation(made, "two", operation_type=TransactionOperationType.upsert),
        TransactionalStateOperation(gone, "", operation_type=TransactionOperationType.delete),
    ]
    sdk.execute_state_transaction(STORE, operations)
    assert sdk.get_state(STORE, made).data == b"two"
    assert sdk.get_state(STORE, gone).data == b""


def test_metadata_names_the_components(sdk):
    names = {each.name for each in sdk.get_metadata().registered_components}
    assert {PUBSUB, STORE} <= names


def test_an_unknown_component_is_refused(sdk, topic):
    with pytest.raises(REFUSED):
        sdk.publish_event("nowhere", topic, "1")
    with pytest.raises(REFUSED):
        sdk.save_state("nowhere", "key", "1")


@ours
def test_a_client_needs_the_sidecars_token(monkeypatch):
    pubsub = PubSub(PUBSUB, MemoryTransport())
    sidecar = Sidecar([pubsub], app_id="shop", port=0, grpc_port=0, token="secret")
    sidecar.start()
    for name, value in Ports(sidecar.port, sidecar.grpc_port or 0).variables().items():
        monkeypatch.setenv(name, value)
    try:
        for given, allowed in ((None, False), ("wrong", False), ("secret", True)):
            if given is not None:
                monkeypatch.setenv("DAPR_API_TOKEN", given)
            with closing(SyncSdk()) as sdk:
                if allowed:
                    sdk.publish_event(PUBSUB, "orders", "1")
                    continue
                with pytest.raises(grpc.RpcError) as refused:
                    sdk.publish_event(PUBSUB, "orders", "1")
                assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
                with pytest.raises(Exception, match="dapr-api-token"):
                    sdk.subscribe(PUBSUB, "orders")
    finally:
        sidecar.stop(5)
    assert len(pubsub.transport.read("orders", "", 10)) == 1


@ours
def test_a_subscription_lives_on_when_the_sidecar_is_started_anew(monkeypatch):
    transport, ports = MemoryTransport(lease=600), Ports(free_port(), free_port())
    for name, value in ports.variables().items():
        monkeypatch.setenv(name, value)

    @contextmanager
    def sidecar() -> Iterator[None]:
        pubsub = PubSub(PUBSUB, transport, lease=600)
        opened = Sidecar([pubsub], app_id="shop", port=ports.http, grpc_port=ports.grpc)
        opened.start()
        try:
            yield
        finally:
            opened.stop(5)

    seen: list[int] = []

    def take(subscription: Any) -> None:
        with suppress(Exception):  # closed
            for message in subscription:
                seen.append(message.data()["n"])
                subscription.respond_success(message)

    def settled() -> bool:
        return transport.lag("orders", "shop").events == 0

    with sidecar():
        sdk = SyncSdk()
        publish(sdk, "orders", 2)
        subscription = sdk.subscribe(PUBSUB, "orders")
        threading.Thread(target=take, args=(subscription,), daemon=True).start()
        until(settled)
    with sidecar(), closing(sdk), closing(SyncSdk()) as another:
        publish(another, "orders", 3)
        until(settled)
        subscription.close()
    assert seen == [0, 1, 0, 1, 2]
