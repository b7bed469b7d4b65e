"""Does all that the checklist asks of the shop, on this machine, and writes what it says then.

Run by `python3 noxfile.py -s checklist`, not by the tests: it takes an hour and a half, as a
deployment is watched for an hour.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine import ADDRESS, compose_command, compose_variables, docker, put_wheel
from tests.started import Started, environment
from tests.waiting import until
from workerkit.operate.shop import STOCK, example_folder

SHOP = example_folder()
DOCUMENT = Path(__file__).parents[1] / "docs" / "checklist.md"
CLI = (sys.executable, "-m", "workerkit")

JOBS = ("price_sync", "cache_warmup", "expired_prices_cleanup", "old_events_cleanup", "stock_sync")
SERVICES = ("pricing", "catalog", "warehouse")

MEANWHILE = (
    *(("cron", "trigger", job, "--wait") for job in JOBS),
    ("publish", STOCK, "--wait"),
    ("deploy", "verify"),
    ("chaos", "all"),
    ("evaluate", "warehouse"),
)
"""Commands that the checklist names for what is open, beside a deployment that is watched."""

AFTERWARDS = (
    # What two cores bear with the generator and the rest of the shop beside it.
    *(("loadtest", "api", service, "--rate", "400") for service in SERVICES),
    ("loadtest", "events", STOCK),
    ("loadtest", "compare", "pricing", "--rounds", "10"),
    ("loadtest", "soak", "pricing", "--for", "10m"),
)
"""Those that need the machine for themselves."""

HEAD = """\
<!-- Written by `python3 noxfile.py -s checklist`, which does on a copy of the shop what the list
names, in containers too where an engine answers, and fails when anything stays open. -->
"""


def main() -> None:
    """All steps, beside a deployment that is watched; ends with 1 when an item stays open."""
    with tempfile.TemporaryDirectory() as place:
        shop = Path(place) / "shop"
        shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns(".workerkit", ".*_cache"))
        with running(shop, "dev") as dev:
            until(lambda: "ready after" in dev.said, 60)
            with running(shop, "deploy", "verify", "--for", "1h") as watch:
                for step in MEANWHILE:
                    run(shop, *CLI, *step)
                run(shop, sys.executable, "-m", "pytest", "-q")
                watch.process.wait(4000)
                sys.stdout.write(watch.said)
            for step in AFTERWARDS:
                run(shop, *CLI, *step)
            with in_containers(shop):
                run(shop, *CLI, "checklist", "--markdown")
                said = subprocess.check_output((*CLI, "checklist", "--json"), cwd=shop)
        found = (shop / "docs" / "progress" / "checklist.md").read_text()
    DOCUMENT.write_text(f"{HEAD}{found}")
    days = json.loads(said)["checklist"]["days"]
    missing = [item["id"] for day in days for item in day["items"] if item["state"] == "open"]
    sys.exit(f"open: {', '.join(missing)}" if missing else 0)


@contextmanager
def running(shop: Path, *words: str) -> Iterator[Started]:
    """A command of ours that goes on meanwhile."""
    log = shop.parent / f"{words[0]}.log"
    started = Started(log, [*CLI, *words], shop, environment({}))
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.signal(signal.SIGINT)


@contextmanager
def in_containers(shop: Path) -> Iterator[None]:
    """The shop's images and containers too, rolled back and forward; says so where none can be."""
    try:
        compose = compose_command().split()
        variables = compose_variables()
    except pytest.skip.Exception as missing:
        sys.stdout.write(f"left out, the containers: {missing}\n")
        yield
        return
    put_wheel(shop)
    try:
        up(shop, compose, variables)
        run(shop, *CLI, "deploy", "rollback", "--yes", "--host", ADDRESS, **variables)
        up(shop, compose, variables)
        yield
    finally:
        run(shop, *compose, "down", "--volumes", **variables)


def up(shop: Path, compose: list[str], variables: dict[str, str]) -> None:
    """Build and start all containers, and wait until each is healthy."""
    run(shop, *compose, "up", "-d", "--build", **variables)
    until(lambda: "starting" not in docker("ps", "--format", "{{.Status}}"), 120)


def run(shop: Path, *command: str, **variables: str) -> None:
    """One step, which tells itself what came of it."""
    began = time.monotonic()
    code = subprocess.call(command, cwd=shop, env={**os.environ, **variables})
    took = time.monotonic() - began
    sys.stdout.write(f"{' '.join(command[1:])}: exit code {code} after {took:.0f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
