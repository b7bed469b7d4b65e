"""What each framework loses when its worker is ended in the middle of a backlog.

`python -m tests.benchmarks.peers.crash`: SIGKILL and SIGTERM, then a new worker, in each round.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from subprocess import run as call

import orjson
from redis import Redis

from tests.redis_process import RedisProcess

from .run import FAST, PEERS, ROOT, SLOW, Watched, command, place, redis_server, worker

PATIENCE = 45.0
"""Seconds to wait for what was in work: longer than workerkit's lease of 30 s."""

QUIET = 5.0
"""Seconds without a new effect after which nothing is expected any more, all being there."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Events without an effect, effects beyond the first, seconds from the end to the last one."""

    lost: int
    doubled: int
    recovery: float


def main() -> None:
    """Measure, print, and append to the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers.crash")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    parser.add_argument("--append", type=Path, help="e.g. docs/benchmarks.md")
    options = parser.parse_args()
    found: dict[tuple[str, int], list[Crash]] = {}
    with redis_server() as server:
        for number in range(1, options.rounds + 1):
            for name in options.only:
                for kind in (signal.SIGKILL, signal.SIGTERM):
                    crash = ended(name, server, kind)
                    found.setdefault((name, kind), []).append(crash)
                    print(f"round {number}: {name} {kind.name} {crash}", flush=True)
    text = table(found, options.only, options.rounds)
    print(text)
    if options.append:
        with options.append.open("a") as file:
            file.write(f"\n{text}")


def ended(name: str, server: RedisProcess, kind: signal.Signals) -> Crash:
    """A backlog, a worker that is ended after a third of it, and another one."""
    events = PEERS[name][2]
    with place(name, server, events) as environment, Redis.from_url(server.url) as redis:
        call(command(name, "publish", "0"), cwd=ROOT, env=environment, check=True)
        with worker(name, environment) as first:
            first.wait(lambda: redis.xlen("price") >= events // 3)
            end(first, kind)
        died = time.monotonic()
        with worker(name, environment):
            last = settle(redis, events, died)
        effects = Counter(
            (orjson.loads(fields[b"data"])["data"]["of"], orjson.loads(fields[b"data"]).get("id"))
            for _, fields in redis.xrange("price")
        )
    # workerkit may publish a follow-up twice, under one id by which it is known downstream.
    times = Counter(of for of, id in effects for _ in range(1 if id else effects[of, id]))
    return Crash(events - len(times), sum(times.values()) - len(times), last - died)


def end(watched: Watched, kind: signal.Signals) -> None:
    """Send *kind* to the worker; SIGKILL to all of its processes."""
    family = [watched.process, *watched.process.children(recursive=True)]
    for each in family if kind == signal.SIGKILL else family[:1]:
        each.send_signal(kind)
    watched.process.wait(60)


def settle(redis: Redis, events: int, since: float) -> float:
    """Wait until every event has an effect, or for PATIENCE; when the last one came."""
    last, seen = since, int(redis.xlen("price"))
    while True:
        now, count = time.monotonic(), int(redis.xlen("price"))
        if count != seen:
            last, seen = now, count
        if now - since > PATIENCE or (count >= events and now - last > QUIET):
            return last
        time.sleep(0.05)


def table(found: dict[tuple[str, int], list[Crash]], names: list[str], rounds: int) -> str:
    """The figures as Markdown."""
    lines = [
        f"Ended in the middle: a worker gets a signal after a third of its backlog ({SLOW:,}",
        f"events, {FAST:,} of the three fast ones), another one takes its place and has",
        f"{PATIENCE:g} s. The worst of {rounds} rounds; recovery is the median time to the last",
        "effect.",
        "",
        "| | SIGKILL: lost | done twice | recovery s | SIGTERM: lost | done twice | recovery s |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name in names:
        cells = []
        for kind in (signal.SIGKILL, signal.SIGTERM):
            crashes = found[name, kind]
            cells += [str(max(c.lost for c in crashes)), str(max(c.doubled for c in crashes)),
                      f"{median(c.recovery for c in crashes):.1f}"]  # fmt: skip
        lines.append(f"| {PEERS[name][0]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
