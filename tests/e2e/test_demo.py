"""`workerkit demo`, as it is typed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.waiting import until
from workerkit.errors import CheckFailed, StartStopError
from workerkit.operate import shop
from workerkit.operate.demo import Demo

CLI = (sys.executable, "-m", "workerkit")


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A place for temporary files that the test can see, and settings that must not matter."""
    return {**os.environ, "TMPDIR": str(tmp_path), "DATABASE_URL": "sqlite:////gone/shop.db"}


def started_by(process: psutil.Process) -> list[psutil.Process]:
    return process.children(recursive=True)


def left(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie only waits for its new parent to notice."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_the_demo_shows_each_step_with_its_numbers_and_leaves_nothing(environment, tmp_path):
    done = subprocess.run(
        [*CLI, "demo", "--once"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for said in [
        r"SKU-001 went 1349 -> 1214 cents in \d+ ms; out came pricing\.price\.updated [0-9a-f]{8}",
        r"POST /stock/SKU-002 made version 1; pricing went 1699 -> 2209 cents",
        r"published 2, applied 1, skipped 1; SKU-003 went 2049 -> 2664 cents",
        r"newStock: .*valid integer; corrected and replayed, SKU-004 went 2399 -> 3119 cents",
        r"pid \d+ got SIGKILL; the next one applied the event once, SKU-005 went 2749 -> 3574",
        r"pid \d+ got SIGKILL; the event came back and was skipped, SKU-006 went 3099 -> 4029",
        r"all of it held",
    ]:
        assert re.search(said, done.stdout), done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_interrupted_leaves_nothing_running(environment, tmp_path, number, code):
    demo = subprocess.Popen(
        [*CLI, "demo", "--once"], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: len(started_by(psutil.Process(demo.pid))) >= 4)
        running = started_by(psutil.Process(demo.pid))
        demo.send_signal(number)
        assert demo.wait(60) == code
        assert left(running) == []
        assert list(tmp_path.iterdir()) == []
    finally:
        demo.kill()


class Frozen(shop.Shop):
    """A shop where no price ever moves."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "dev.log"

    def price(self, sku: str) -> int:
        return 1349

    def send(self, data, event_id: str) -> None:
        pass


def test_a_step_that_does_not_hold_ends_the_demo_and_names_the_fact(tmp_path, monkeypatch):
    monkeypatch.setattr(shop, "PATIENCE", 0.01)
    with pytest.raises(CheckFailed) as caught:
        Demo(Frozen(tmp_path)).run(lambda step: pytest.fail(f"{step} held"))
    assert str(caught.value) == (
        "not so: an event changes a price in another process: waited 0.01 s for "
        f"the price of SKU-001 to change from 1349; the log is {tmp_path / 'dev.log'}"
    )


def test_a_shop_that_does_not_start_is_one_line_and_its_log_is_kept(environment, tmp_path):
    program = (
        "from workerkit.operate import shop\n"
        "shop.DEV = ('-c', 'raise SystemExit(\"no port is free\")')\n"
        "from workerkit.cli.app import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "demo", "--once", "--json"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (4, "")
    (log,) = tmp_path.glob("workerkit-demo-*/shop/dev.log")
    said = f"workerkit: the shop did not start: no port is free; the log is {log}\n"
    assert done.stderr == said


@pytest.mark.parametrize("place", ["site-packages/workerkit/examples", "examples"])
def test_the_shop_is_found_in_an_installed_package_and_in_a_checkout(tmp_path, monkeypatch, place):
    package = tmp_path / "site-packages" if place.startswith("site") else tmp_path
    module = package / "workerkit" / "operate" / "shop.py"
    monkeypatch.setattr(shop, "__file__", str(module))
    with pytest.raises(StartStopError, match="install workerkit again"):
        shop.example_folder()
    folder = tmp_path / place / "shop"
    folder.mkdir(parents=True)
    (folder / "workerkit.toml").touch()
    assert shop.example_folder() == folder
