"""Spans of a running worker at a collector, and a worker that has none."""

from __future__ import annotations

import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.shops import Shop
from tests.waiting import until
from workerkit.events.envelope import Event

VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"


CURIOUS = """
from opentelemetry.trace import get_current_span
from workerkit import CronJob, EventWorker, Retry, Service

SEEN = []


def look(name):
    SEEN.append((name, get_current_span().get_span_context().span_id.to_bytes(8, "big")))


class OrderWorker(EventWorker[dict]):
    topic = "orders"
    retry = Retry(attempts=2, first=0.01, cap=0.01)

    async def handle(self, order, context):
        look("handle order")
        if context.attempt == 1:
            raise ValueError("not yet")


class TickJob(CronJob):
    schedule = "* * * * * *"

    def run(self, context):
        look("run shop/tick")


def wire(settings):
    return Service("shop", events=[OrderWorker()], cron=[TickJob()])
"""


class Collector(ThreadingHTTPServer):
    """Takes what is sent to OTLP's path for traces."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.taken: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def spans(self) -> list[Any]:
        service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        requests = [service.ExportTraceServiceRequest.FromString(body) for body in self.taken]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    yield opened
    opened.shutdown()
    opened.server_close()


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Iterator[Shop]:
    opened = Shop(tmp_path, monkeypatch)
    yield opened
    opened.close()


def run(shop: Shop, *ids: str) -> None:
    """A worker that settles events with these ids, and ends."""
    process = shop.start()
    shop.publish("orders", *(Event("orders", {"orderId": 7}, id=id, source="web") for id in ids))
    until(lambda: process.health().workers[0].jobs_processed == len(ids))
    shop.close()


def test_a_worker_sends_its_spans_before_it_ends(shop, collector, monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="the extra otel is missing")
    monkeypatch.setenv(VARIABLE, collector.url)
    run(shop, "a")
    spans = collector.spans()
    assert sorted(span.name for span in spans) == [
        "commit shop", "deliver orders", "handle order", "publish orders", "publish orders.booked",
    ]  # fmt: skip
    times = {span.name: span.start_time_unix_nano for span in spans}
    assert times["publish orders"] <= times["deliver orders"] <= times["handle order"]
    (booked,) = shop.kept("orders.booked")
    (published,) = [span for span in spans if span.name == "publish orders.booked"]
    assert booked["traceparent"][3:52] == f"{published.trace_id.hex()}-{published.span_id.hex()}"


def test_what_a_handler_or_a_job_calls_finds_its_span(shop, collector, monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="the extra otel is missing")
    monkeypatch.setenv(VARIABLE, collector.url)
    shop.write(code=CURIOUS)
    process = shop.start(mode="all")
    shop.publish("orders", Event("orders", {}, id="a", source="web"))
    seen = sys.modules[shop.module].SEEN
    until(lambda: {"handle order", "run shop/tick"} <= {name for name, _ in seen})
    until(lambda: process.tally.of("order").jobs_processed == 1)
    shop.close()
    spans = {(span.name, span.span_id) for span in collector.spans()}
    assert [name for name, _ in seen].count("handle order") == 2
    assert set(seen) <= spans


class Away(socketserver.ThreadingTCPServer):
    """Takes connections and answers as *manner* says; `silent` ones are held until `let_go`."""

    daemon_threads = True

    def __init__(self, manner: str) -> None:
        super().__init__(("127.0.0.1", 0), _TurningAway)
        self.manner = manner
        self.tried = 0
        self.let_go = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _TurningAway(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.server.tried += 1
        if self.server.manner == "unavailable":
            self.wfile.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        elif self.server.manner == "silent":
            self.server.let_go.wait()


@pytest.fixture(params=["hangs up", "unavailable", "silent"])
def away(request) -> Iterator[Away]:
    opened = Away(request.param)
    yield opened
    opened.let_go.set()
    opened.shutdown()
    opened.server_close()


def test_a_collector_that_is_away_costs_a_worker_nothing(shop, away, monkeypatch):
    """What comes after the first try is settled as before, and the end waits for no answer."""
    pytest.importorskip("opentelemetry.sdk", reason="the extra otel is missing")
    monkeypatch.setenv(VARIABLE, away.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    monkeypatch.setattr("workerkit.process.TRACES_WAIT", 0.3)
    process = shop.start()
    events = [Event("orders", {"orderId": 7}, id=str(n), source="web") for n in range(200)]
    shop.publish("orders", *events[:100])
    until(lambda: away.tried)
    shop.publish("orders", *events[100:])
    until(lambda: process.health().workers[0].jobs_processed == len(events))
    assert process.health().status == "running"
    ending = threading.Thread(target=process.stop, args=(5.0,))
    ending.start()
    ending.join(15)
    assert not ending.is_alive()
    assert len(shop.kept("orders.booked")) == len(events)


def test_without_the_extra_the_way_out_is_told(shop, monkeypatch):
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    monkeypatch.delitem(sys.modules, "workerkit.observability.tracing", raising=False)
    answer = shop.call("run", "shop", "--mode=events", "--port=0")
    assert (answer.code, answer.err.splitlines()) == (2, [
        f"workerkit: {VARIABLE} is set, and opentelemetry.context is not installed: "
        "pip install 'workerkit[otel]', or unset it"
    ])  # fmt: skip


def test_nothing_of_it_is_loaded_unless_it_is_asked_for():
    program = "import sys, workerkit.process; print([m for m in sys.modules if 'telemetry' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          timeout=60, check=True)  # fmt: skip
    assert done.stdout == "[]\n"
