"""What the local sidecar carries: `python -m tests.benchmarks.sidecar`.

The sidecar is a process of its own. Publishes come from this process, in bulks
of 100 over several connections; bulk callbacks of 100 go to an app in a third
process that answers SUCCESS and does nothing else; streaming is one client of
the official SDK, here. Beside the rate stands the sidecar's CPU, which a busy
machine does not change much.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import psutil

from tests.ports import free_port
from tests.redis_process import RedisProcess
from tests.started import Place
from tests.waiting import until
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Broker, Message
from workerkit.transports import open_transport

BULK, CONNECTIONS = 100, 4

Measured = tuple[float, float]

APP = """
import sys
import orjson, uvicorn

DECLARED = [{"pubsubname": "pubsub", "topic": "called", "route": "/events",
             "bulkSubscribe": {"enabled": True, "maxMessagesCount": 100,
                               "maxAwaitDurationMs": 20}}]

async def app(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"] == "/dapr/subscribe":
        answer = DECLARED
    else:
        entries = orjson.loads(body)["entries"]
        answer = {"statuses": [{"entryId": e["entryId"], "status": "SUCCESS"} for e in entries]}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": orjson.dumps(answer)})

uvicorn.run(app, port=int(sys.argv[1]), log_level="error", lifespan="off", http="httptools")
"""


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sidecar", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=20_000, help="of a round")
    options = parser.parse_args()
    for broker in ("sqlite", "redis"):
        with world(broker) as (place, transport):
            for name, measured in measure(place, transport, options.events, options.rounds):
                rate, cpu = (median(each) for each in zip(*measured, strict=True))
                print(f"{broker:8} {name:24} {rate:9,.0f} events/s {cpu:6.0f} us of CPU an event")


def measure(
    place: Place, transport: Broker, events: int, rounds: int
) -> Iterator[tuple[str, list[Measured]]]:
    """Each figure's name and what its rounds gave."""
    started = place.start("sidecar", "--port=0", "--grpc-port=0").says("gRPC on")
    http_port, grpc_port = map(int, re.findall(r"port (\d+), gRPC on (\d+)", started.said)[0])
    os.environ |= {"DAPR_HTTP_PORT": str(http_port), "DAPR_GRPC_PORT": str(grpc_port)}
    from dapr.clients import DaprClient  # noqa: PLC0415

    pid = started.process.pid
    yield "publish, HTTP bulk", [publish_http(pid, http_port, events) for _ in range(rounds)]
    with DaprClient() as client:
        yield "publish, gRPC bulk", [publish_grpc(pid, client, events) for _ in range(rounds)]
        yield "streaming to the SDK", [stream(pid, client, events // 4) for _ in range(rounds)]
    started.signal(15)
    yield "callbacks, HTTP bulk", [called(place, transport, events) for _ in range(rounds)]


def publish_http(pid: int, port: int, events: int) -> Measured:
    entries = [
        {"entryId": str(n), "event": {"productId": f"p-{n}", "newStock": n},
         "contentType": "application/json"}
        for n in range(BULK)
    ]  # fmt: skip
    body = orjson.dumps(entries)

    def send(count: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as line:
            for _ in range(count // BULK):
                path = "/v1.0/publish/bulk/pubsub/published"
                line.request("POST", path, body, {"content-type": "application/json"})
                answer = line.getresponse()
                assert answer.status == 204, answer.read()
                answer.read()

    return _measured(pid, events, lambda: _at_once(send, events))


def publish_grpc(pid: int, client: Any, events: int) -> Measured:
    data = [f'{{"productId": "p-{n}", "newStock": {n}}}' for n in range(BULK)]

    def send(count: int) -> None:
        for _ in range(count // BULK):
            answer = client.publish_events(
                "pubsub", "published", data, data_content_type="application/json"
            )
            assert not answer.failed_entries

    return _measured(pid, events, lambda: _at_once(send, events))


def stream(pid: int, client: Any, events: int) -> Measured:
    topic = f"streamed-{time.monotonic_ns()}"
    for _ in range(events // BULK):
        client.publish_events("pubsub", topic, ["1"] * BULK, data_content_type="application/json")
    subscription = client.subscribe("pubsub", topic)

    def take() -> None:
        for _ in range(events):
            subscription.respond_success(subscription.next_message())

    measured = _measured(pid, events, take)
    subscription.close()
    return measured


def called(place: Place, transport: Broker, events: int) -> Measured:
    """From the start of the app, which is there before the sidecar, until all is settled."""
    data = {"productId": "p-1", "newStock": 1}
    for _ in range(events // BULK):
        bodies = [encode(Event("called", data, time=time.time())) for _ in range(BULK)]
        transport.publish([Message("called", body) for body in bodies])
    port = free_port()
    app = subprocess.Popen([sys.executable, "-c", APP, str(port)])
    sidecar = place.start(
        "sidecar", "--port=0", "--grpc-port=0", f"--app-port={port}", "--app-id=app"
    )
    until(lambda: transport.lag("called", "app").events < events)
    left = transport.lag("called", "app").events
    settled = lambda: until(lambda: transport.lag("called", "app").events == 0)  # noqa: E731
    measured = _measured(sidecar.process.pid, left, settled)
    sidecar.signal(15)
    app.kill()
    app.wait()
    return measured


@contextmanager
def world(broker: str) -> Iterator[tuple[Place, Broker]]:
    """A project in a folder of its own, on *broker*."""
    with TemporaryDirectory() as folder:
        inside = Path(folder) / "project"
        inside.mkdir()
        place = Place(inside)
        server = RedisProcess().start() if broker == "redis" else None
        line = f'redis = "{server.url}"' if server else ""
        place.write("workerkit.toml", f'name = "app"\ntransport = "{broker}"\n{line}\n')
        transport = open_transport(server.url if server else None, inside / ".workerkit")
        try:
            yield place, transport
        finally:
            place.close()
            transport.close()
            if server is not None:
                server.close()


def _at_once(send: Callable[[int], None], events: int) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, [events // CONNECTIONS] * CONNECTIONS))


def _measured(pid: int, events: int, work: Callable[[], object]) -> Measured:
    """Events a second, and microseconds of process *pid* for each."""
    process = psutil.Process(pid)
    cpu, began = sum(process.cpu_times()[:2]), time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return events / seconds, (sum(process.cpu_times()[:2]) - cpu) / events * 1e6


if __name__ == "__main__":
    main()
