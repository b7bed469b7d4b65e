"""The minimal example, through the command line, in processes of its own."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import until
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.transports.sqlite import SqliteTransport

CLI = [sys.executable, "-m", "workerkit"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal" / "app.py"

FILE = '[services.app]\nwire = "app:wire"\nports = { events = 0 }\n'


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copy(EXAMPLE, tmp_path / "app.py")
    (tmp_path / "workerkit.toml").write_text(FILE)
    return tmp_path


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )


def ledger(folder: Path) -> list[int]:
    with sqlite3.connect(folder / ".workerkit" / "app.db", timeout=10) as db:
        return [row[0] for row in db.execute("SELECT order_id FROM revenue ORDER BY order_id")]


def start(folder: Path) -> subprocess.Popen[str]:
    with (folder / "log").open("w") as log:
        worker = subprocess.Popen([*CLI, "run"], cwd=folder, stderr=log, text=True)
    until(lambda: ": running" in (folder / "log").read_text())
    return worker


def test_a_published_event_is_applied_once_and_sigterm_ends_with_0(folder):
    for _ in range(2):
        answer = call(folder, "publish", "orders", "--id", "x", "--data", '{"id": 7, "amount": 5}')
        assert (answer.returncode, answer.stdout) == (0, "published 1 to orders with id x\n")
    worker = start(folder)
    try:
        broker = SqliteTransport(folder / ".workerkit" / "broker.db")
        until(lambda: broker.lag("orders", "app").events == 0)
        broker.close()
        assert ledger(folder) == [7]
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert "gave back 0" in (folder / "log").read_text()
    finally:
        worker.kill()


def test_a_worker_killed_again_and_again_applies_every_event_once(folder):
    (folder / "workerkit.toml").write_text(f"lease = 0.5\n{FILE}")
    (folder / ".workerkit").mkdir()
    broker = SqliteTransport(folder / ".workerkit" / "broker.db", lease=0.5)
    total, rounds, dice = 2000, 5, random.Random(3)
    for turn in range(rounds):
        share = range(turn * total // rounds, (turn + 1) * total // rounds)
        broker.publish(
            [Message("orders", encode(Event("orders", {"id": n, "amount": 1}))) for n in share]
        )
        worker = start(folder)
        time.sleep(dice.uniform(0.0, 0.1))
        worker.kill()
        worker.wait(30)
    worker = start(folder)
    try:
        until(lambda: broker.lag("orders", "app").events == 0)
        until(lambda: broker.lag("orders.booked", "reader").events >= total)
        assert ledger(folder) == list(range(total))
        with sqlite3.connect(folder / ".workerkit" / "app.db", timeout=10) as db:
            until(lambda: db.execute("SELECT count(*) FROM workerkit_outbox").fetchone() == (0,))
    finally:
        worker.kill()
        worker.wait(30)
        broker.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--mode=event"], "--mode: no mode 'event'; did you mean 'events'?"),
        (["run", "ap"], "no service 'ap'; did you mean 'app'?"),
        (["publish", "orders", "--data", "{"], "--data is not JSON"),
        (["publish", "orders", "--data", "@gone.json"], "--data @gone.json: No such file"),
    ],
)
def test_a_mistyped_name_says_what_was_meant_and_exits_with_2(folder, arguments, said):
    answer = call(folder, *arguments)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
