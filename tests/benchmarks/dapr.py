"""Speed by way of the local Dapr sidecar: `python -m tests.benchmarks.dapr`.

One worker process, SQLite, HTTP in bulk. The sidecar is Python and takes its
share of the same cores, so a figure is a lower bound for the worker's part; its
CPU time stands beside it. Figures are medians.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from tests.ports import free_port
from workerkit.transports.dapr import DaprOptions, DaprTransport

from .engine import (
    EVENTS,
    ask,
    project,
    publish_backlog,
    row,
    running,
    say,
    stock,
    wait_until,
)  # fmt: skip

TOML = """[services.stock]
wire = "stock_service:wire"
ports = {{ events = 0 }}
[sidecar]
port = {sidecar}
grpc_port = 0
"""


@dataclass(frozen=True)
class Measured:
    """Events/s; microseconds of CPU an event in the worker (or publisher) and in the sidecar."""

    rate: float
    own: float
    sidecar: float


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.dapr", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=40_000, help="of a round")
    options = parser.parse_args()
    quiet, loud, sent = [], [], []
    for number in range(1, options.rounds + 1):
        quiet.append(receive("stock.quiet", options.events))
        loud.append(receive("stock", options.events))
        sent.append(publish(options.events))
        say(
            f"round {number}: received {quiet[-1].rate:,.0f}/s, with follow-ups "
            f"{loud[-1].rate:,.0f}/s, published {sent[-1].rate:,.0f}/s"
        )
    say(f"\nmedian of {options.rounds} rounds, {options.events:,} events each; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    for name, rounds, goal in (
        ("received, a row each", quiet, 8_000),
        ("  and a follow-up event each", loud, 0),
        ("published in bulk", sent, 10_000),
    ):
        rate = median(each.rate for each in rounds)
        row(f"{name}, events/s", f"{rate:,.0f}", f"{goal:,}" if goal else "", rate >= goal)
        own, its = (median(getattr(each, k) for each in rounds) for k in ("own", "sidecar"))
        row("  CPU, us an event: ours + sidecar's", f"{own:.0f} + {its:.0f}")


def receive(topic: str, events: int) -> Measured:
    """Work a backlog off; timed from the first to the last commit."""
    with started(topic, events) as (folder, worker, sidecar):
        query = "SELECT count(*) FROM workerkit_inbox"
        wait_until(lambda: ask(folder, query)[0][0] >= events, worker)
        own, its = cpu(worker), cpu(sidecar)
        seconds, later = ask(folder, """
            SELECT max(at) - min(at), sum(at > (SELECT min(at) FROM workerkit_inbox))
            FROM workerkit_inbox""")[0]  # fmt: skip
    return Measured(later / seconds, own / events * 1e6, its / events * 1e6)


def publish(events: int) -> Measured:
    """Publish through a sidecar that calls nobody, 1,000 events at a time."""
    batches = [[stock("stock", n + k) for k in range(1000)] for n in range(0, events, 1000)]
    with project() as folder, sidecar_of(folder) as (sidecar, port):
        with closing(DaprTransport(DaprOptions(http_port=port))) as transport:
            transport.client.wait(20)
            before, began = time.process_time(), time.monotonic()
            for batch in batches:
                transport.publish(batch)
            seconds, own = time.monotonic() - began, time.process_time() - before
        its = cpu(sidecar)
    return Measured(events / seconds, own / events * 1e6, its / events * 1e6)


@contextmanager
def started(topic: str, events: int) -> Iterator[tuple[Path, psutil.Process, psutil.Process]]:
    """A backlog on *topic*, a sidecar, and a worker that is called by it."""
    with project() as folder:
        publish_backlog(folder, events, topic)
        app_port = free_port()
        called = ("--app-id=stock", f"--app-port={app_port}")
        with (
            sidecar_of(folder, *called) as (sidecar, port),
            running(folder, *EVENTS, "--transport=dapr",
                    DAPR_HTTP_PORT=str(port), APP_PORT=str(app_port)) as worker,
        ):  # fmt: skip
            yield folder, worker, sidecar


@contextmanager
def sidecar_of(folder: Path, *arguments: str) -> Iterator[tuple[psutil.Process, int]]:
    """`workerkit sidecar ...` of the project, and its port."""
    port = free_port()
    (folder / "workerkit.toml").write_text(TOML.format(sidecar=port))
    with running(folder, "sidecar", *arguments) as process:
        yield process, port


def cpu(process: psutil.Process) -> float:
    """CPU seconds that *process* has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
