"""Speed of the engine on the embedded broker and SQLite: `nox -s bench`.

One real worker process; the rounds of engine and hand-written loop take turns,
so that a machine that is busy for a while slows both. Figures are medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.transports.sqlite import SqliteTransport

from .hand_loop import drain

SERVICE = Path(__file__).with_name("stock_service.py")

TOML = '[services.stock]\nwire = "stock_service:wire"\nports = { events = 0 }\n'

EVENTS = ("run", "--mode=events")

PRODUCTS = 500


@dataclass(frozen=True)
class Drained:
    """A backlog worked off: events a second of wall time, microseconds of CPU an event."""

    rate: float
    cpu: float
    rss: float


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=50_000, help="of a round")
    parser.add_argument("--seconds", type=int, default=15, help="of the paced and the idle part")
    options = parser.parse_args()
    engine, hand, paced, helps = [], [], [], []
    for number in range(1, options.rounds + 1):
        with project() as folder:
            hand.append(options.events / by_hand(folder, options.events))
        with project() as folder:
            engine.append(by_engine(folder, options.events))
        with project() as folder:
            paced.append(at_pace(folder, 200, options.seconds))
        helps.append(seconds_of_help())
        say(
            f"round {number}: engine {engine[-1].rate:,.0f}/s, by hand {hand[-1]:,.0f}/s, "
            f"200/s p50 {paced[-1][0] * 1e3:.1f} p99 {paced[-1][1] * 1e3:.1f} ms"
        )
    with project() as folder:
        idle = idle_share(folder, options.seconds)
    rate = median(each.rate for each in engine)
    p50, p99 = (median(each[n] for each in paced) for n in (0, 1))
    say(f"\nmedian of {options.rounds} rounds, {options.events:,} events each; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")  # fmt: skip
    row("sustained, events/s", f"{rate:,.0f}", "15,000", rate >= 15_000)
    row("  ratio to the loop by hand", f"{rate / median(hand):.2f}")
    row("  CPU, us an event", f"{median(each.cpu for each in engine):.0f}")
    row("  RSS, MB", f"{median(each.rss for each in engine):.0f}")
    row("publish to applied at 200/s, p50 ms", f"{p50 * 1e3:.1f}")
    row("publish to applied at 200/s, p99 ms", f"{p99 * 1e3:.1f}", "10.0", p99 < 0.010)
    row("idle worker, % of a core", f"{idle * 100:.2f}", "1.00", idle <= 0.01)
    row("workerkit --help, ms", f"{median(helps) * 1e3:.0f}", "150", median(helps) < 0.150)


def by_engine(folder: Path, events: int) -> Drained:
    """Publish a backlog, start one worker, and time it from its first to its last commit."""
    publish_backlog(folder, events)
    with running(folder, *EVENTS) as process:
        wait_until(lambda: applied(folder) >= events, process)
        times = process.cpu_times()
        used, rss = times.user + times.system, process.memory_info().rss / 2**20
    seconds, later = ask(folder, """
        SELECT max(at) - min(at), sum(at > (SELECT min(at) FROM workerkit_inbox))
        FROM workerkit_inbox""")[0]  # fmt: skip
    return Drained(later / seconds, used / events * 1e6, rss)


def by_hand(folder: Path, events: int) -> float:
    """Seconds of the hand-written loop for the same backlog."""
    publish_backlog(folder, events)
    data = folder / ".workerkit"
    return drain(data / "broker.db", data / "hand.db")


def at_pace(folder: Path, rate: int, seconds: int) -> tuple[float, float]:
    """p50 and p99 seconds from the moment an event was due to its commit and follow-up.

    The first second is warm-up.
    """
    due: dict[int, float] = {}
    with running(folder, *EVENTS) as process, closing(broker(folder)) as transport:
        began = time.time() + 0.2
        for number in range(rate * (seconds + 1)):
            due[number] = began + number / rate
            time.sleep(max(0.0, due[number] - time.time()))
            transport.publish([stock("stock.timed", number)])
        file = folder / ".workerkit" / "timed"
        wait_until(lambda: file.read_text().count("\n") >= len(due), process)
    pairs = (line.split() for line in file.read_text().splitlines())
    took = sorted(float(at) - due[int(n)] for n, at in pairs if int(n) >= rate)
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def idle_share(folder: Path, seconds: int) -> float:
    """CPU seconds a second of a worker that has nothing to do."""
    with running(folder, *EVENTS) as process:
        time.sleep(3)
        before = process.cpu_times()
        time.sleep(seconds)
        after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


def seconds_of_help() -> float:
    """Median of five whole processes."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        command = [sys.executable, "-m", "workerkit", "--help"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return median(taken)


@contextmanager
def project() -> Iterator[Path]:
    """A folder with the service, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="workerkit-bench-"))
    try:
        shutil.copy(SERVICE, folder)
        (folder / "workerkit.toml").write_text(TOML)
        (folder / ".workerkit").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(folder: Path, *arguments: str, **variables: str) -> Iterator[psutil.Process]:
    """`workerkit ...` that is ready; it must end well."""
    log = folder / f"{arguments[0]}.log"
    with log.open("wb") as file:
        process = psutil.Popen(
            [sys.executable, "-m", "workerkit", *arguments], cwd=folder, stdout=file, stderr=file,
            env={**os.environ, **variables},
        )  # fmt: skip
    try:
        wait_until(lambda: "running on port" in log.read_text(), process)
        yield process
        process.send_signal(signal.SIGTERM)
        if process.wait(30):
            sys.exit(log.read_text())
    finally:
        if process.is_running():
            process.kill()


def publish_backlog(folder: Path, events: int, topic: str = "stock") -> None:
    """*events* events on *topic*."""
    with closing(broker(folder)) as transport:
        for start in range(0, events, 1000):
            transport.publish([stock(topic, n) for n in range(start, min(start + 1000, events))])


def broker(folder: Path) -> SqliteTransport:
    """The project's broker."""
    return SqliteTransport(folder / ".workerkit" / "broker.db")


def stock(topic: str, number: int) -> Message:
    """One event."""
    product = number % PRODUCTS
    data = {"product_id": f"p{product}", "sku": f"SKU-{product}", "level": number}
    return Message(topic, encode(Event(topic, data, source="bench", time=time.time())))


def applied(folder: Path) -> int:
    """Events that the inbox holds, by the acknowledged ones: counting the inbox would cost it."""
    with closing(broker(folder)) as transport:
        lag = transport.lag("stock", "stock").events
    if lag:
        return 0
    return int(ask(folder, "SELECT count(*) FROM workerkit_inbox")[0][0])


def ask(folder: Path, query: str) -> list[tuple[float, ...]]:
    """Rows of the service's database."""
    with closing(sqlite3.connect(folder / ".workerkit" / "stock.db", timeout=20)) as db:
        return db.execute(query).fetchall()


def wait_until(fact: object, process: psutil.Process, timeout: float = 120.0) -> None:
    """Poll *fact*, rarely: the poll takes a core from the publisher."""
    end = time.monotonic() + timeout
    while not fact():  # type: ignore[operator]
        if not process.is_running() or time.monotonic() > end:
            sys.exit("the worker did not get there; its log is in the folder")
        time.sleep(0.1)


def row(name: str, value: str, goal: str = "", met: bool = True) -> None:
    """One line of the table."""
    verdict = f"goal {goal:>7}  {'met' if met else 'MISSED'}" if goal else ""
    say(f"{name:<38} {value:>9}  {verdict}".rstrip())


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
