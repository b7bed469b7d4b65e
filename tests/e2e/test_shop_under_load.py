"""The shop under a small load: nothing fails, nothing is lost, nothing stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import psutil
import pytest

from workerkit.config.inherited import environment_without_settings
from workerkit.operate.shop import example_folder


@pytest.fixture
def shop(tmp_path) -> Path:
    unwanted = shutil.ignore_patterns(".*", "__pycache__")
    return Path(shutil.copytree(example_folder(), tmp_path / "shop", ignore=unwanted))


def loadtest(shop: Path, *arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "workerkit", *arguments, "--json"], cwd=shop, capture_output=True,
        text=True, timeout=100, check=False, env=environment_without_settings(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return orjson.loads(done.stdout)


def test_pricing_answers_and_every_process_was_watched(shop):
    (run,) = loadtest(
        shop, "loadtest", "api", "pricing", "--rate", "50", "--duration", "2s",
        "--threshold", "errors<0.1%",
    )["runs"]  # fmt: skip
    said = "pricing: GET /prices/SKU-001 at 50/s for 2.0 s on http://127.0.0.1:"
    assert run["what"].startswith(said)
    assert run["counts"]["HTTP 200"] == 100
    watched = {usage["name"]: usage["pid"] for usage in run["usage"]}
    assert {"pricing api", "pricing events", "warehouse api"} <= watched.keys()
    assert not any(psutil.pid_exists(pid) for pid in watched.values())


def test_a_thousand_events_are_applied(shop):
    runs = loadtest(
        shop, "loadtest", "events", "warehouse.stock.updated", "--threshold", "errors<0.1%"
    )["runs"]
    assert runs[0]["counts"] == {"published": 1000, "applied": 1000}


def test_the_warehouse_has_nothing_to_separate(shop):
    told = loadtest(shop, "evaluate", "warehouse")
    assert told["answer"] == "NO"
    assert (shop / "docs" / "evaluations" / "warehouse.md").is_file()
