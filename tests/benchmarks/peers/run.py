"""Measures W0 and W1 in each framework, rounds interleaved: `python -m tests.benchmarks.peers.run`.

One worker process each, a Redis server of our own, SQLite in WAL mode. An event
of W1 counts as done when its follow-up is in the stream `price`.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

import orjson
import psutil
from redis import Redis

from tests.redis_process import RedisProcess
from tests.servers import PostgreSQL

ROOT = Path(__file__).parents[3]

SLOW, FAST = 3_000, 40_000
"""Events of a round: enough for 1 to 3 seconds."""

PEERS = {
    "workerkit_itself": ("workerkit", "workerkit", FAST),
    "workerkit_postgresql": ("workerkit, PostgreSQL, 4 lanes", "workerkit", FAST),
    "by_hand": ("hand-written batch loop (the limit)", "redis", FAST),
    "faststream_batch": ("FastStream, the user's batch", "faststream", FAST),
    "faststream_default": ("FastStream", "faststream", SLOW),
    "taskiq_stream": ("Taskiq", "taskiq", SLOW),
    "dramatiq_threads": ("Dramatiq, 8 threads", "dramatiq", SLOW),
    "celery_threads": ("Celery, 8 threads", "celery", SLOW),
    "saq_queue": ("SAQ", "saq", SLOW),
    "arq_jobs": ("arq", "arq", SLOW),
    "huey_threads": ("Huey, 8 threads", "huey", SLOW),
    "rq_simple": ("RQ, SimpleWorker", "rq", 1_000),
}
"""Module: its name in the table, its distribution, events of a round."""

OURS = ("workerkit_itself", "workerkit_postgresql")

BATCHES = ("by_hand", "faststream_batch")
"""Where the user writes the batch."""


@dataclass
class Row:
    """Figures of each round.

    Events/s of W0 (`empty`) and of W1, CPU seconds per 1,000, peak RSS in MB,
    latencies in seconds.
    """

    empty: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers.run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    parser.add_argument("--seconds", type=int, default=6, help="of the part at 200/s")
    parser.add_argument("--write", type=Path, help="e.g. docs/benchmarks.md")
    options = parser.parse_args()
    rows = {name: Row() for name in options.only}
    with redis_server() as server:
        for number in range(1, options.rounds + 1):
            for name, row in rows.items():
                try:
                    row.empty.append(drain_doing_nothing(name, server))
                    drain(name, server, row)
                    at_pace(name, server, row, options.seconds)
                except TimeoutError as error:
                    print(f"round {number}: {name} is left out: {error}", flush=True)
                    continue
                print(f"round {number}: {name} W0 {row.empty[-1]:,.0f}/s, "
                      f"W1 {row.rates[-1]:,.0f}/s, "
                      f"p99 {row.p99[-1] * 1e3:.1f} ms", flush=True)  # fmt: skip
    text = table(rows, options.rounds)
    print(text)
    if options.write:
        options.write.parent.mkdir(exist_ok=True)
        options.write.write_text(text)


def drain_doing_nothing(name: str, server: RedisProcess) -> float:
    """Events a second of W0, between a twentieth of the backlog and all but a twentieth."""
    count = 2 * PEERS[name][2]
    with place(name, server, count) as environment, Redis.from_url(server.url) as redis:
        environment["BENCH_NOOP"] = "1"
        subprocess.run(command(name, "publish", "0"), cwd=ROOT, env=environment, check=True)
        with worker(name, environment) as watched:
            times = []
            for part in (0.05, 0.95):
                watched.wait(lambda part=part: handled(redis) >= part * count, pause=0.005)
                times.append((time.monotonic(), handled(redis)))
    (began, first), (ended, last) = times
    return (last - first) / (ended - began)


def handled(redis: Redis) -> int:
    """What the worker's tally says."""
    return int(redis.get("handled") or 0)


def drain(name: str, server: RedisProcess, row: Row) -> None:
    """A backlog, from the first follow-up to the last."""
    count = PEERS[name][2]
    with place(name, server, count) as environment, Redis.from_url(server.url) as redis:
        subprocess.run(command(name, "publish", "0"), cwd=ROOT, env=environment, check=True)
        with worker(name, environment) as watched:
            watched.wait(lambda: redis.xlen("price") > 0)
            watched.wait(lambda: redis.xlen("price") >= count)
            first, last = redis.xrange("price", count=1), redis.xrevrange("price", count=1)
            row.rates.append((count - 1) / max(moment(last[0][0]) - moment(first[0][0]), 0.001))
            row.cpu.append(watched.cpu / count * 1000)
            row.rss.append(watched.rss)


def at_pace(name: str, server: RedisProcess, row: Row, seconds: int) -> None:
    """200 events a second, each timed from the moment it was due; the first second is warm-up."""
    rate, count = 200, 200 * (seconds + 1)
    with place(name, server, count) as environment, Redis.from_url(server.url) as redis:
        publisher = subprocess.Popen(command(name, "publish", str(rate)), cwd=ROOT, env=environment)
        with worker(name, environment) as watched:
            watched.wait(lambda: redis.xlen("price") >= count)
            publisher.wait(20)
            entries = redis.xrange("price")
    took = [moment(entry) - due(fields) for entry, fields in entries]
    # The worker was started with the publisher: what waited for it to be ready is left out.
    took = sorted(took[len(took) // 2 :])
    row.p50.append(took[len(took) // 2])
    row.p99.append(took[int(len(took) * 0.99)])


def moment(entry: bytes) -> float:
    """When the server took an entry."""
    return int(entry.partition(b"-")[0]) / 1000


def due(fields: dict[bytes, bytes]) -> float:
    """When the event behind a follow-up was due."""
    return float(orjson.loads(fields[b"data"])["data"]["due"])


@contextmanager
def redis_server() -> Iterator[RedisProcess]:
    """A Redis of our own."""
    redis = RedisProcess()
    try:
        yield redis.start()
    finally:
        redis.close()


@contextmanager
def postgresql_for(name: str) -> Iterator[str]:
    """The URL of an empty database, for the one that needs it: to the others it is a load."""
    if name != "workerkit_postgresql":
        yield ""
        return
    server = PostgreSQL(fsync=True)
    server.start()
    try:
        yield server.fresh()
    finally:
        server.stop()


def command(name: str, *arguments: str) -> list[str]:
    """How a peer's module is run."""
    return [sys.executable, "-m", f"{__package__}.{name}", *arguments]


@contextmanager
def place(name: str, server: RedisProcess, count: int) -> Iterator[dict[str, str]]:
    """Empty servers and an empty folder, as environment of peer *name*."""
    server.command("FLUSHALL")
    folder = tempfile.mkdtemp(prefix="peers-")
    try:
        with postgresql_for(name) as url:
            yield {
                **os.environ, "REDIS_URL": server.url, "BENCH_EVENTS": str(count),
                "BENCH_POSTGRESQL": url, "BENCH_FOLDER": folder,
                "BENCH_DATABASE": f"sqlite:///{folder}/bench.db",
            }  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Watched:
    """A worker and its children: CPU seconds since the start, and the peak of their RSS in MB."""

    def __init__(self, process: psutil.Popen) -> None:
        self.process = process
        self.cpu = self.rss = 0.0

    def wait(self, fact: Callable[[], bool], timeout: float = 120.0, pause: float = 0.05) -> None:
        """Poll *fact*, with *pause* seconds in between."""
        end = time.monotonic() + timeout
        while not fact():
            if self.process.poll() is not None or time.monotonic() > end:
                raise TimeoutError("not all events had their effect in time")
            self.look()
            time.sleep(pause)
        self.look()

    def look(self) -> None:
        """Take a sample."""
        family = [self.process, *self.process.children(recursive=True)]
        times = [each.cpu_times() for each in family]
        self.cpu = sum(each.user + each.system for each in times)
        self.rss = max(self.rss, sum(each.memory_info().rss for each in family) / 2**20)


@contextmanager
def worker(name: str, environment: dict[str, str]) -> Iterator[Watched]:
    """A peer's worker, killed with its children in the end."""
    log = Path(environment["BENCH_FOLDER"]) / "log"
    with log.open("wb") as file:
        process = psutil.Popen(
            command(name, "work"), cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    family: list[psutil.Process] = [process]
    try:
        yield Watched(process)
    except TimeoutError:
        print(log.read_text(errors="replace")[-3000:])
        raise
    finally:
        with suppress(psutil.Error):
            family += process.children(recursive=True)
        for each in family:
            with suppress(psutil.Error):
                each.kill()
        process.wait(20)


def table(rows: dict[str, Row], rounds: int) -> str:
    """The figures as Markdown, fastest first."""
    lines = [
        "# Benchmarks",
        "",
        "W1: pydantic validation, idempotency, an upsert into SQLite, a follow-up event, the",
        "acknowledgement; one worker process each over Redis Streams or lists. workerkit's",
        "idempotency is its inbox in the service's database (exactly once), everybody else's a",
        "`SET NX` in Redis before the work. W0: validation and acknowledgement only; workerkit",
        "writes its inbox there too. Made by `python3 noxfile.py -s bench`.",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"medians of {rounds} interleaved rounds.",
        "",
        "| | version | W0 events/s | W1 events/s | CPU s per 1,000 | RSS MB "
        "| p50 / p99 ms at 200/s |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    whole = {name: row for name, row in rows.items() if row.p99}
    ordered = sorted(whole.items(), key=lambda pair: -median(pair[1].rates))
    for name, row in ordered:
        title, distribution, _ = PEERS[name]
        lines.append(
            f"| {title} | {release(distribution)} "
            f"| {median(row.empty):,.0f} | {median(row.rates):,.0f} "
            f"| {median(row.cpu):.3f} | {median(row.rss):.0f} "
            f"| {median(row.p50) * 1e3:.1f} / {median(row.p99) * 1e3:.1f} |"
        )
    handlers = [r for n, r in ordered if n not in (*BATCHES, *OURS)]
    if "workerkit_itself" in whole and handlers:
        ours = median(rows["workerkit_itself"].rates)
        best = max(median(row.rates) for row in handlers)
        lines += ["", f"workerkit does {ours / best:.1f} times what the fastest other framework "
                  "with a handler per event does."]  # fmt: skip
    return "\n".join(lines) + "\n"


def release(distribution: str) -> str:
    """Its version."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "-"


if __name__ == "__main__":
    main()
