"""What the dashboard costs: `python -m tests.benchmarks.page`.

A worker works off a backlog beside the dashboard's process, without a page and
with both views open, in turns. Then that process's share of a core is taken
at rest and while events are published. An open page is its request and the
stream of its changes, read here: what a browser needs is the browser's.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median
from urllib.request import HTTPCookieProcessor, build_opener

import psutil

from .dapr import cpu
from .engine import (
    EVENTS,
    Drained,
    broker,
    by_engine,
    project,
    running,
    say,
    stock,
    wait_until,
)

VIEWS = ("/", "/events")

SETTLED = 3.0
"""Seconds after which a page has been drawn for the first time."""


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=40_000, help="of a backlog")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a share of a core")
    parser.add_argument("--rate", type=int, default=10_000, help="events a second, published")
    options = parser.parse_args()
    drained: dict[tuple[str, ...], list[Drained]] = {(): [], VIEWS: []}
    views: list[tuple[str, ...]] = [(), *((view,) for view in VIEWS)]
    shares: dict[tuple[int, tuple[str, ...]], list[float]] = {
        (rate, opened): [] for rate in (0, options.rate) for opened in views
    }
    for number in range(1, options.rounds + 1):
        for opened, rounds in drained.items():
            with project() as folder, dashboard(folder, *opened):
                rounds.append(by_engine(folder, options.events))
        for (rate, opened), taken in shares.items():
            taken.append(share(opened, rate, options.seconds))
        say(f"round {number} of {options.rounds}")
    say(f"\n{options.events:,} events each; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        "median (lowest to highest)\n")  # fmt: skip
    for opened, rounds in drained.items():
        name = f"worker, {len(opened)} pages open"
        row(f"{name}, events/s", [each.rate for each in rounds])
        row(f"{name}, us of CPU an event", [each.cpu for each in rounds])
    pairs = zip(*drained.values(), strict=True)
    row("  CPU an event: times that without", [both.cpu / none.cpu for none, both in pairs], ".2f")
    for (rate, opened), taken in shares.items():
        page = opened[0] if opened else "no page"
        row(f"dashboard, {page}, {rate:,} events/s, % of a core", taken, ".1f")


def share(opened: tuple[str, ...], rate: int, seconds: float) -> float:
    """Percent of a core that the dashboard takes, beside a worker that has nothing to do."""
    with project() as folder, dashboard(folder, *opened) as process, running(folder, *EVENTS):
        time.sleep(SETTLED)
        before, began = cpu(process), time.monotonic()
        with closing(broker(folder)) as transport:
            published = 0
            while (now := time.monotonic() - began) < seconds:
                due = int(now * rate)
                if due > published:
                    transport.publish([stock("noted", n) for n in range(published, due)])
                    published = due
                time.sleep(0.01)
        return 100 * (cpu(process) - before) / (time.monotonic() - began)


@contextmanager
def dashboard(folder: Path, *opened: str) -> Iterator[psutil.Process]:
    """The dashboard's process, with these views open; each must have been kept up to date."""
    log = folder / "dashboard.log"
    command = [sys.executable, "-m", "workerkit", "dashboard", "--local", "--port=0"]
    with log.open("wb") as file:
        process = psutil.Popen(command, cwd=folder, stdout=file, stderr=file)
    try:
        wait_until(lambda: "dashboard: " in log.read_text(), process)
        (url,) = re.findall(r"dashboard: (\S+)", log.read_text())
        pages = [Page(url, view) for view in opened]
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        for page in pages:
            page.join(10)
            if page.updates < 2:
                sys.exit(f"{page.name} was not kept up to date: {log.read_text()}")
    finally:
        if process.is_running():
            process.kill()


class Page(threading.Thread):
    """One open page; ends with its server."""

    def __init__(self, url: str, view: str) -> None:
        super().__init__(name=view, daemon=True)
        self.updates = 0
        browser = build_opener(HTTPCookieProcessor(CookieJar()))
        browser.open(url + view, timeout=20).read()
        self._changes = browser.open(f"{url}/live{view}", timeout=20)
        self.start()

    def run(self) -> None:
        """Read what changes."""
        for line in self._changes:
            self.updates += line.startswith(b"data: ")


def row(name: str, values: list[float], shape: str = ",.0f") -> None:
    """One line of the table."""
    low, middle, high = (format(f(values), shape) for f in (min, median, max))
    say(f"{name:<52} {middle:>8} ({low} to {high})")


if __name__ == "__main__":
    main()
