"""The engine by way of a sidecar that acknowledges whatever fails, as Dapr does.

Each test over HTTP callbacks and over the SDK's stream, unless it is about one of them.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Iterator

import orjson
import pytest
from conftest import World
from sqlalchemy import text

from tests.dapr_place import DaprPlace
from workerkit.core.backoff import Retry
from workerkit.errors import StorageError
from workerkit.events.envelope import Event
from workerkit.sidecar.pubsub import Policy

http_only = pytest.mark.parametrize("strict", ["http"], indirect=True)

UNTIL_IT_WORKS = Policy(most=None, first=0.05, factor=2.0, cap=0.5, timeout=1.0)


def order(number: int) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web")


def write(self, payload, context) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})


class DaprWorld(World):
    """A world that a sidecar brings events to; `begin` starts them in the order of a process."""

    def __init__(self, folder, way, **options) -> None:
        if way == "stream":
            pytest.importorskip("dapr", reason="Dapr's SDK is not installed")
            options["streams"] = ["orders"]
        self.place = DaprPlace(folder, **options)
        super().__init__(f"sqlite:///{folder}/shop.db", self.place.transport)

    def begin(self, handle, **options):
        consumer = self.start(handle, **options)
        self.place.start_sidecar()
        self.place.start_receiving()
        return consumer

    def end(self, timeout: float) -> None:
        """Stop as a process does: who brings events first."""
        self.place.stop_receiving(timeout)
        self.consumer.stop(timeout)

    def lag(self) -> int:
        return self.place.broker.lag("orders", "shop").events

    def exactly_once(self, numbers: range) -> None:
        """Each of *numbers* was applied once, and the sidecar has nothing left."""
        self.until(lambda: len(self.applied()) >= len(numbers) and not self.lag())
        assert self.applied() == list(numbers)


@pytest.fixture(params=["http", "stream"])
def strict(request, tmp_path) -> Iterator[DaprWorld]:
    """A sidecar that gives up an event as soon as it has failed."""
    opened = DaprWorld(tmp_path, request.param, strict=True, concurrency=100)
    yield opened
    opened.close()
    opened.place.close()


@pytest.fixture(params=["http", "stream"])
def patient(request, tmp_path) -> Iterator[DaprWorld]:
    """A sidecar as the scaffolded components configure it."""
    options = {"lease": 1.0, "strict": True, "concurrency": 100, "policy": UNTIL_IT_WORKS}
    opened = DaprWorld(tmp_path, request.param, **options)
    yield opened
    opened.close()
    opened.place.close()


def test_a_failing_handler_is_our_business_and_never_the_sidecars(strict):
    attempts: Counter[int] = Counter()

    def handle(self, payload, context):
        attempts[payload.id] += 1
        if payload.id % 3 == 0 and attempts[payload.id] < 3:
            raise RuntimeError("not yet")
        if payload.id == 7:
            raise RuntimeError("never")
        write(self, payload, context)

    strict.begin(handle)
    strict.publish(*map(order, range(30)), b'{"x":1}', b'{"id":"odd","data":"text"}')
    strict.until(lambda: len(strict.applied()) == 29 and len(strict.letters()) == 3)
    assert strict.applied() == [n for n in range(30) if n != 7]
    strict.until(lambda: not strict.lag())


def test_nothing_is_answered_while_the_database_is_away(strict, monkeypatch):
    def away(*arguments):
        raise StorageError("the database is away")

    consumer = strict.begin(write)
    strict.publish(order(0))
    strict.exactly_once(range(1))
    with monkeypatch.context() as patched:
        for name in ("begin", "settled"):
            patched.setattr(strict.store, name, away)
        strict.publish(*map(order, range(1, 20)))
        strict.until(lambda: consumer.trouble is not None)
        assert strict.lag() == 19
    strict.exactly_once(range(20))
    strict.until(lambda: consumer.trouble is None)


def test_a_sidecar_that_goes_is_told_and_one_that_comes_back_is_used(strict):
    consumer = strict.begin(write)
    strict.publish(order(0))
    strict.exactly_once(range(1))
    strict.place.stop_sidecar()
    strict.until(lambda: "does not answer" in (consumer.trouble or ""))
    strict.place.start_sidecar()
    strict.publish(order(1))
    strict.exactly_once(range(2))
    strict.until(lambda: consumer.trouble is None)


def test_an_event_that_is_handed_out_again_while_it_runs_is_run_once(patient):
    running, go_on, runs = threading.Event(), threading.Event(), []

    def handle(self, payload, context):
        runs.append(payload.id)
        running.set()
        assert go_on.wait(20)
        write(self, payload, context)

    patient.begin(handle, lease=30.0, concurrency=4)
    inbound = patient.transport.inbounds["orders"]
    patient.publish(order(0))
    assert running.wait(10)
    (held,) = inbound._held.values()
    patient.until(lambda: len(held.waiting) >= 3)
    go_on.set()
    patient.exactly_once(range(1))
    assert runs == [0]


def test_a_worker_that_stops_gives_back_what_it_has_not_begun(patient):
    running, go_on = threading.Event(), threading.Event()

    def slow(self, payload, context):
        running.set()
        assert go_on.wait(20)
        write(self, payload, context)

    first = patient.begin(slow)
    patient.publish(*map(order, range(20)))
    assert running.wait(10)
    patient.until(lambda: first.held == 20)
    patient.place.stop_receiving(0.2)
    go_on.set()
    first.stop(5)
    assert len(patient.applied()) < 20
    patient.start(write)
    patient.place.start_receiving()
    patient.exactly_once(range(20))


def test_a_worker_that_stops_finishes_what_it_can_in_time(strict):
    """Whoever is told RETRY by a strict sidecar would not see the event again."""
    strict.begin(write)
    strict.publish(*map(order, range(300)))
    strict.until(lambda: bool(strict.applied()))
    strict.place.stop_sidecar()
    strict.end(10)
    assert strict.consumer.released == 0
    done = strict.applied()
    assert len(done) == len(set(done))
    assert len(done) + strict.lag() >= 300


@http_only
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"dapr-api-token": "wrong"}, 401),
        ({"dapr-api-token": "app-secret", "host": "evil.example"}, 403),
        ({"dapr-api-token": "app-secret"}, 200),
    ],
)
def test_events_are_taken_from_the_sidecar_alone(strict, headers, status):
    strict.begin(write)
    line = http.client.HTTPConnection("127.0.0.1", strict.place.app_port, timeout=10)
    event = {"id": "e0", "source": "web", "specversion": "1.0", "data": {"id": 0}}
    line.request("POST", "/events/orders", orjson.dumps(event), headers)
    assert line.getresponse().status == status
    line.close()
    assert strict.applied() == ([0] if status == 200 else [])


def test_each_event_keeps_its_own_trace(strict):
    seen = {}

    def handle(self, payload, context):
        seen[payload.id] = context.event.trace_id

    traces = {number: f"{number:032x}" for number in range(1, 4)}
    strict.begin(handle)
    strict.publish(
        *(
            Event("orders", {"id": number}, traceparent=f"00-{trace}-b7ad6b7169203331-01")
            for number, trace in traces.items()
        )
    )
    strict.until(lambda: len(seen) == 3)
    assert seen == traces


@http_only
def test_the_sidecar_hangs_up_first(strict):
    """What it sends as we do would have failed; Go's clients keep a connection for 90 s."""
    assert strict.place.port.keep_alive > 90


def test_a_lane_that_dies_leaves_its_events_to_the_next(patient):
    died = []

    def handle(self, payload, context):
        write(self, payload, context)

    consumer = patient.begin(handle, lease=0.5)
    apply = consumer.pipeline.apply

    def die_once(batch, **options):
        if not died:
            died.append(len(batch.items))
            raise SystemExit
        return apply(batch, **options)

    consumer.pipeline.apply = die_once
    patient.publish(*map(order, range(5)))
    patient.exactly_once(range(5))
    assert died


def test_a_retry_that_waits_does_not_keep_the_sidecar_waiting(strict):
    def handle(self, payload, context):
        raise RuntimeError("later")

    strict.begin(handle, attributes={"retry": Retry(attempts=3, first=3000.0, cap=3000.0)})
    strict.publish(order(0))
    strict.until(lambda: "parked" in strict.outcomes() and not strict.lag())
