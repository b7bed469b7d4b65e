"""The sidecar's state: one behaviour over memory and Redis, and Dapr's HTTP API on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from workerkit.sidecar import MemoryStore, PubSub, RedisStore, Sidecar
from workerkit.sidecar.refusal import Refusal
from workerkit.sidecar.stores import FIRST_WRITE, LAST_WRITE, Change, Store
from workerkit.testing import FakeClock
from workerkit.transports.memory import MemoryTransport


@pytest.fixture(params=["memory", "redis"])
def store(request) -> Store:
    if request.param == "memory":
        return MemoryStore("statestore")
    return RedisStore("statestore", request.getfixturevalue("redis").url, f"app-{uuid4().hex[:8]}")


def etag(store: Store, key: str = "key") -> str:
    return store.get([key])[key].etag


def value(store: Store, key: str = "key") -> bytes | None:
    found = store.get([key]).get(key)
    return found.value if found else None


def refused(store: Store, *changes: Change) -> str:
    with pytest.raises(Refusal) as error:
        store.change(changes)
    return error.value.grpc


def test_a_key_has_its_last_value_until_it_is_deleted(store):
    assert store.get(["key", "other"]) == {}
    store.change([Change("key", b"1")])
    store.change([Change("key", b"\x00\xff")])
    assert (value(store), etag(store)) == (b"\x00\xff", "2")
    store.change([Change("key")])
    store.change([Change("key")])
    assert value(store) is None


def test_with_an_etag_only_that_version_is_changed(store):
    store.change([Change("key", b"1")])
    old = etag(store)
    store.change([Change("key", b"2", old)])
    assert refused(store, Change("key", b"3", old)) == "ABORTED"
    assert refused(store, Change("key", None, old)) == "ABORTED"
    assert value(store) == b"2"
    store.change([Change("key", b"3", old, LAST_WRITE)])
    assert value(store) == b"3"
    store.change([Change("key", None, etag(store))])
    assert value(store) is None


def test_after_a_first_write_nobody_overwrites_without_the_etag(store):
    store.change([Change("key", b"1", concurrency=FIRST_WRITE)])
    assert refused(store, Change("key", b"2", concurrency=FIRST_WRITE)) == "ABORTED"
    assert refused(store, Change("key", b"2")) == "ABORTED"
    store.change([Change("key", b"2", etag(store), FIRST_WRITE)])
    assert value(store) == b"2"


def test_a_transaction_changes_all_or_nothing(store):
    store.change([Change("a", b"1"), Change("b", b"1")])
    wrong = [Change("a", b"2"), Change("b", b"2", "77"), Change("c", b"2")]
    assert refused(store, *wrong) == "ABORTED"
    assert [value(store, key) for key in "abc"] == [b"1", b"1", None]
    store.change([Change("a", b"2"), Change("b"), Change("c", b"2")])
    assert [value(store, key) for key in "abc"] == [b"2", None, b"2"]


@pytest.mark.parametrize("change", [Change(""), Change("a||b", b"1"), Change("a", b"1", "x")])
def test_keys_and_etags_that_cannot_be_are_refused(store, change):
    assert refused(store, change) == "INVALID_ARGUMENT"


def test_a_value_ends_with_its_time_to_live():
    clock = FakeClock()
    store = MemoryStore("statestore", clock)
    store.change([Change("key", b"1", ttl=10)])
    clock.advance(9)
    assert value(store) == b"1"
    clock.advance(1)
    assert value(store) is None
    store.change([Change("key", b"2")])
    assert etag(store) == "1"


def test_redis_keeps_what_daprs_state_redis_would(redis):
    store = RedisStore("statestore", redis.url, "pricing")
    store.change([Change("key", b"1", ttl=100), Change("kept", b"1", ttl=100)])
    store.change([Change("kept", b"2")])
    assert redis.command("TYPE", "pricing||key") == b"+hash"
    assert 90 < int(redis.command("TTL", "pricing||key")[1:]) <= 100
    assert redis.command("TTL", "pricing||kept") == b":-1"
    redis.command("HSET", "pricing||theirs", "data", "7", "version", "4")
    assert (value(store, "theirs"), etag(store, "theirs")) == (b"7", "4")


class Http:
    """A sidecar with a store, asked as curl would ask it."""

    def __init__(self, store: Store) -> None:
        pubsub = PubSub("pubsub", MemoryTransport())
        self.sidecar = Sidecar([pubsub], app_id="a", stores=[store], port=0)
        self.sidecar.start()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        url = f"http://127.0.0.1:{self.sidecar.port}/v1.0/{path}"
        try:
            with urlopen(Request(url, data, named, method=method), timeout=20) as answer:
                self.headers = answer.headers
                return answer.status, json.loads(answer.read() or b"null")
        except HTTPError as error:
            return error.code, json.loads(error.read() or b"null")


@pytest.fixture
def http() -> Iterator[Http]:
    opened = Http(MemoryStore("statestore"))
    yield opened
    opened.sidecar.stop(2)


def test_state_over_http(http):
    items = [{"key": "a", "value": {"n": 1}}, {"key": "b/c", "value": "text"}]
    assert http.ask("POST", "state/statestore", items) == (204, None)
    assert http.ask("GET", "state/statestore/a") == (200, {"n": 1})
    assert http.headers["etag"] == "1"
    assert http.ask("GET", "state/statestore/b/c") == (200, "text")
    assert http.ask("GET", "state/statestore/none") == (204, None)
    assert http.ask("POST", "state/statestore/bulk", {"keys": ["a", "none"]}) == (
        200, [{"key": "a", "data": {"n": 1}, "etag": "1"}, {"key": "none"}],
    )  # fmt: skip
    assert http.ask("DELETE", "state/statestore/a", if_match="9")[0] == 409
    assert http.ask("DELETE", "state/statestore/a", if_match="1") == (204, None)
    assert http.ask("GET", "state/statestore/a") == (204, None)


def test_of_several_saves_one_that_does_not_fit_keeps_no_other_back(http):
    items = [{"key": "a", "value": 1}, {"key": "b", "value": 1}]
    http.ask("POST", "state/statestore", items)
    again = [{"key": "a", "value": 2, "etag": "9"}, {"key": "b", "value": 2, "etag": "1"}]
    status, said = http.ask("POST", "state/statestore", again)
    assert (status, said["errorCode"]) == (409, "ERR_STATE_SAVE")
    assert "key a has another version" in said["message"]
    assert [http.ask("GET", f"state/statestore/{key}")[1] for key in "ab"] == [1, 2]


def test_a_transaction_over_http(http):
    http.ask("POST", "state/statestore", [{"key": "a", "value": 1}])
    operations = [
        {"operation": "delete", "request": {"key": "a"}},
        {"operation": "upsert", "request": {"key": "b", "value": 2}},
    ]
    asked = {"operations": operations}
    assert http.ask("POST", "state/statestore/transaction", asked) == (204, None)
    assert [http.ask("GET", f"state/statestore/{key}")[1] for key in "ab"] == [None, 2]


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "said"),
    [
        ("POST", "state/other", [], "ERR_STATE_STORE_NOT_FOUND", "There is: statestore."),
        ("GET", "state/other/key", None, "ERR_STATE_STORE_NOT_FOUND", "other is not found"),
        ("POST", "state/statestore", {}, "ERR_MALFORMED_REQUEST", "valid list"),
        ("POST", "state/statestore", [{}], "ERR_MALFORMED_REQUEST", "0.key: Field required"),
        ("POST", "state/statestore/transaction", {"operations": [{"operation": "increment"}]},
         "ERR_MALFORMED_REQUEST", "operations.0.operation"),
        ("POST", "state/statestore", [{"key": "a", "metadata": {"ttlInSeconds": "soon"}}],
         "ERR_MALFORMED_REQUEST", "ttlInSeconds is 'soon'"),
    ],
)  # fmt: skip
def test_a_request_for_state_that_cannot_be_served_says_why(http, method, path, body, code, said):
    status, answer = http.ask(method, path, body)
    assert (status, answer["errorCode"]) == (400, code)
    assert said in answer["message"]


def test_labels_are_shown_in_metadata(http):
    assert http.ask("PUT", "metadata/team", "blue") == (204, None)
    assert http.ask("GET", "metadata")[1]["extended"]["team"] == '"blue"'
