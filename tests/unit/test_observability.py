"""Health, metrics and logs, without sockets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from workerkit.core.hooks import Settled
from workerkit.observability.admin import admin_app, beside
from workerkit.observability.guard import Guard
from workerkit.observability.health import Health, Tally, WorkerHealth
from workerkit.observability.logs import LogHook, set_up
from workerkit.observability.metrics import MOST_ERRORS, Metrics
from workerkit.observability.server import names_of

LOCAL = "http://127.0.0.1"


def record(outcome: str = "applied", **fields: object) -> Settled:
    known = {"service": "s", "worker": "stock", "topic": "t", "event_id": "e", "outcome": outcome}
    return Settled(**{**known, "attempt": 1, "duration": 0.002, "age": 0.1, **fields})


def health(status: str = "running") -> Health:
    worker = WorkerHealth("stock", "event", "t", status, 0.0, 3, 1, 7, 1.25, 0, None)
    return Health("pricing", "events", status, "exactly once", 0.0, (worker,), 1, 2, 3)


def client(status: str = "running", live: bool = True) -> TestClient:
    metrics = Metrics({"service": "pricing"})
    metrics.watch(lambda: health(status))
    return TestClient(admin_app(lambda: health(status), lambda: live, metrics), base_url=LOCAL)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("running", [200, 200, 200]), ("degraded", [200, 200, 503]), ("stopped", [503, 503, 503])],
)
def test_status_decides_what_health_and_readiness_answer(status, expected):
    paths = ["/health", "/worker/health", "/readyz"]
    assert [client(status).get(path).status_code for path in paths] == expected


def test_liveness_is_about_the_loops_alone():
    assert client("degraded", live=True).get("/livez").status_code == 200
    assert client("running", live=False).get("/livez").status_code == 503


def test_health_shows_each_worker_with_times_people_can_read():
    shown = client().get("/worker/health").json()
    assert (shown["status"], shown["guarantee"], shown["dead"]) == ("running", "exactly once", 2)
    (worker,) = shown["workers"]
    assert worker["last_job_at"] == "1970-01-01T00:00:00.000+00:00"
    assert (worker["jobs_processed"], worker["jobs_failed"], worker["lag"]) == (3, 1, 7)


def test_metrics_have_the_documented_names_and_add_up():
    metrics = Metrics({"service": "pricing"})
    metrics.watch(health)
    metrics.settled([record(), record(), record("duplicate"), record("dead", error="Reject")])
    metrics.settled([record("parked", error="ValueError", deliveries=2, duration=99.0)])
    lines = metrics.render()[0].decode().splitlines()
    for line in [
        'worker_jobs_total{kind="event",outcome="applied",worker="stock"} 2.0',
        'worker_jobs_total{kind="event",outcome="duplicate",worker="stock"} 1.0',
        'worker_job_duration_seconds_bucket{le="0.0025",worker="stock"} 3.0',
        'worker_job_duration_seconds_bucket{le="30.0",worker="stock"} 3.0',
        'worker_job_duration_seconds_count{worker="stock"} 4.0',
        'worker_errors_total{error="Reject",worker="stock"} 1.0',
        'worker_redeliveries_total{worker="stock"} 1.0',
        'worker_queue_size{worker="stock"} 7.0',
        'worker_oldest_event_age_seconds{worker="stock"} 1.25',
        "worker_dead_letters 2.0",
        'workerkit_info{service="pricing"} 1.0',
    ]:
        assert line in lines


def test_user_code_cannot_grow_the_labels_without_end():
    metrics = Metrics({})
    metrics.settled([record("dead", error=f"Error{n}") for n in range(MOST_ERRORS * 3)])
    text = metrics.render()[0].decode()
    assert text.count("worker_errors_total{") == MOST_ERRORS + 1
    assert f'error="other",worker="stock"}} {MOST_ERRORS * 2}.0' in text


def test_tally_counts_what_was_applied_and_what_failed():
    tally = Tally()
    assert (tally.of("stock").jobs_processed, tally.of("stock").last_job_at) == (0, None)
    tally.settled([record(), record("duplicate"), record("dead"), record("parked")])
    assert (tally.of("stock").jobs_processed, tally.of("stock").jobs_failed) == (1, 2)


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def guarded() -> TestClient:
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/open", echo)])
    return TestClient(
        Guard(app, token="secret", open_paths=["/open"], body_limit=10), base_url=LOCAL
    )


TOKEN = {"dapr-api-token": "secret"}


def chunks() -> Iterator[bytes]:
    yield b"123456"
    yield b"123456"


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/", TOKEN, b"1234567890", 200),
        ("/", {**TOKEN, "host": "localhost:3500"}, b"", 200),
        ("/", {**TOKEN, "host": "evil.example"}, b"", 403),
        ("/", {**TOKEN, "origin": "https://evil.example"}, b"", 403),
        ("/", {**TOKEN, "origin": "null"}, b"", 403),
        ("/", {**TOKEN, "origin": "http://localhost:8080"}, b"", 200),
        ("/", {}, b"", 401),
        ("/", {"dapr-api-token": "guess"}, b"", 401),
        ("/", TOKEN, b"12345678901", 413),
    ],
)
def test_the_guard_lets_in_what_is_allowed(guarded, path, headers, body, status):
    assert guarded.post(path, headers=headers, content=body).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [({}, 200), ({"origin": "http://evil.example"}, 403), ({"origin": "http://worker:8002"}, 200)],
)
def test_beyond_loopback_any_name_is_served_but_no_other_sites_page(origin, status):
    app = Guard(Starlette(routes=[Route("/", echo)]), hosts=names_of("0.0.0.0"))
    headers = {"host": "worker:8002", **origin}
    assert TestClient(app, base_url=LOCAL).get("/", headers=headers).status_code == status


def test_a_body_without_a_length_is_bounded_too(guarded):
    answer = guarded.post("/", headers=TOKEN, content=chunks())
    assert (answer.status_code, answer.json()["errorCode"]) == (413, "ERR_BODY_TOO_LARGE")


def test_an_open_path_needs_no_token(guarded):
    assert guarded.get("/open").status_code == 200


def test_the_admin_paths_stand_in_front_of_the_services_own():
    app = Starlette(routes=[Route("/", echo), Route("/health", echo)])
    metrics = Metrics({})
    both = TestClient(beside(app, admin_app(health, lambda: True, metrics)), base_url=LOCAL)
    assert both.get("/").text == "0"
    assert both.get("/health").json()["service"] == "pricing"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up("json", "pricing", stream)
    yield stream
    root.handlers[:], root.level = before, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_line_is_one_object_with_ids(logged):
    LogHook().settled([record(event_id="e1", traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01")])
    (line,) = lines(logged)
    assert line["trace_id"] == "ab" * 16
    known = {"level", "event", "service", "worker", "event_id", "topic", "trace_id", "attempt"}
    assert known <= line.keys()
    assert (line["event"], line["event_id"], line["duration_s"]) == ("event applied", "e1", 0.002)


def test_a_large_batch_is_one_line_and_its_failures(logged):
    LogHook().settled([*[record()] * 100, record("dead", error="Reject", message="Reject: no")])
    dead, summary = lines(logged)
    assert (dead["level"], dead["error"]) == ("ERROR", "Reject: no")
    assert (summary["applied"], summary["dead"]) == (100, 1)


def test_a_traceback_and_a_strange_field_stay_on_one_line(logged):
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("x").exception("broken", extra={"odd": object(), 5: {1, 2}})
    (line,) = lines(logged)
    assert "two\nlines" in str(line["traceback"])
    assert orjson.loads(logged.getvalue())["event"] == "broken"
