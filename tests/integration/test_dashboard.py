"""The shop's Grafana dashboard: made by code, and each picture asks for what is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.ports import free_port
from tests.promql import exposed, not_there
from tests.started import Place
from workerkit.cli.app import app
from workerkit.operate.board import board
from workerkit.operate.grafana import COLUMNS

MONITORING = Path(__file__).parents[2] / "examples" / "shop" / "deploy" / "monitoring"
GRAFANA = MONITORING / "grafana"


def written() -> dict[str, Any]:
    return json.loads((GRAFANA / "dashboards" / "workers.json").read_text())


def panels(kind: str | None = None) -> Iterator[dict[str, Any]]:
    for panel in written()["panels"]:
        if panel["type"] != "row" and kind in (None, panel["type"]):
            yield panel


def test_making_it_again_changes_nothing():
    answer = CliRunner().invoke(app, ["monitoring", "dashboard"])
    assert answer.stdout == (GRAFANA / "dashboards" / "workers.json").read_text()


def test_it_shows_what_a_team_watches():
    shown = " ".join(expr for panel in panels() for expr in (t["expr"] for t in panel["targets"]))
    for metric in ("worker_jobs_total", "worker_errors_total", "worker_queue_size",
                   "worker_oldest_event_age_seconds", "worker_parked_events", "worker_dead_letters",
                   "worker_redeliveries_total", "cron_last_success_timestamp_seconds",
                   "http_request_duration_seconds_bucket", "process_cpu_seconds_total",
                   "process_resident_memory_bytes"):  # fmt: skip
        assert metric in shown
    assert [panel["title"] for panel in panels("heatmap")] == ["Time in the handler"]
    assert [panel["title"] for panel in panels("status-history")] == ["Runs"]
    chosen = [variable["name"] for variable in written()["templating"]["list"]]
    assert chosen == ["datasource", "service", "instance"]


def test_no_two_panels_share_a_place_or_a_number():
    every = written()["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    places = [panel["gridPos"] for panel in every]
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


def test_every_picture_asks_for_what_a_process_exposes(tmp_path):
    place = Place(tmp_path / "shop")
    shutil.copytree(MONITORING.parents[1], place.folder, ignore=shutil.ignore_patterns(".*"))
    port = free_port()
    try:
        place.start("run", "pricing", "--mode=inline", f"--port={port}").says("running on port")
        found = exposed(port)
    finally:
        place.close()
    assert not_there(board().exprs(), found) == []
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    recorded = {rule.get("record") for group in rules["groups"] for rule in group["rules"]}
    assert set(re.findall(r"\b[a-z]+:[a-z0-9_:]+", " ".join(board().exprs()))) <= recorded
    wrong = [expr.replace("worker_up{", "worker_is_up{") for expr in board().exprs()]
    assert not_there(wrong, found)[0] == "worker_is_up"
    wrong = [expr.replace("by (worker", "by (handler") for expr in board().exprs()]
    assert not_there(wrong, found) == ["by handler"]


def test_prometheus_reads_every_query(tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: prometheus)")

    def check(exprs: list[str]) -> int:
        texts = [expr.replace("$__rate_interval", "1m") for expr in exprs]
        rules = [{"record": f"query:{n}", "expr": text} for n, text in enumerate(texts)]
        (tmp_path / "rules.yml").write_text(
            yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]})
        )
        words = ["promtool", "check", "rules", "--lint=none", str(tmp_path / "rules.yml")]
        return subprocess.run(words, capture_output=True, timeout=60, check=False).returncode

    variables = [each["query"]["query"] for each in written()["templating"]["list"][1:]]
    selectors = [text.removeprefix("label_values(").rpartition(",")[0] for text in variables]
    assert check([*board().exprs(), *selectors]) == 0
    for expr in board().exprs():
        assert check([expr + ")"]) != 0


def test_the_provisioning_names_what_is_there():
    (source,) = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"]
    scrape = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scrape["scrape_interval"]
    (provider,) = yaml.safe_load(
        (GRAFANA / "provisioning" / "dashboards" / "workers.yml").read_text()
    )["providers"]
    assert provider["type"] == "file"
