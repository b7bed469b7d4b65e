"""The shop's alerts: each fires and stays silent as it should, on metrics that workers expose."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.documents import commands
from tests.monitoring import ALERTS, RULES
from tests.monitoring import FILES as MONITORING
from tests.ports import free_port
from tests.promql import asked, exposed, not_there
from tests.started import Place

SHOP = Path(__file__).parents[2] / "examples" / "shop"
RUNBOOK = SHOP / "docs" / "WORKERS_RUNBOOK.md"


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if not found:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found


def tried(promtool: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [promtool, "test", "rules", "rules.test.yml"], cwd=folder, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_prometheus_reads_the_files(promtool):
    for words in (("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml")):
        subprocess.run([promtool, *words], cwd=MONITORING, check=True, capture_output=True)


def test_every_alert_fires_and_stays_silent(promtool):
    done = tried(promtool, MONITORING)
    assert done.returncode == 0, done.stderr
    cases = yaml.safe_load((MONITORING / "rules.test.yml").read_text())["tests"]
    names = sorted(case["name"] for case in cases)
    assert names == sorted(f"{alert} {word}" for alert in ALERTS for word in ("fires", "is silent"))


@pytest.mark.parametrize("always", [True, False])
def test_a_rule_that_always_or_never_fires_is_found(promtool, tmp_path, always):
    """By the test that was written for it: those of the other rules go on to pass."""
    shutil.copytree(MONITORING, tmp_path / "broken")
    tests = yaml.safe_load((MONITORING / "rules.test.yml").read_text())
    for alert in ALERTS:
        rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
        broken = next(r for g in rules["groups"] for r in g["rules"] if r.get("alert") == alert)
        broken |= {"expr": "vector(1)" if always else "vector(1) > 2", "for": "0s"}
        (tmp_path / "broken" / "rules.yml").write_text(yaml.safe_dump(rules))
        word = "is silent" if always else "fires"
        case = [each for each in tests["tests"] if each["name"] == f"{alert} {word}"]
        (tmp_path / "broken" / "rules.test.yml").write_text(
            yaml.safe_dump({**tests, "tests": case})
        )
        assert tried(promtool, tmp_path / "broken").returncode != 0, alert


@pytest.mark.parametrize("half", ["first", "second"])
def test_an_alert_that_looks_through_one_window_alone_is_found(promtool, tmp_path, half):
    """Any blip of an event's age is long for its short window: there the long one is not tried."""
    shutil.copytree(MONITORING, tmp_path / "broken")
    tests = yaml.safe_load((MONITORING / "rules.test.yml").read_text())
    for alert in [name for name in ALERTS if "Budget" in name]:
        if half == "second" and alert.startswith("EventAge"):
            continue
        rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
        broken = next(r for g in rules["groups"] for r in g["rules"] if r.get("alert") == alert)
        broken["expr"] = broken["expr"].split(" and ")[half == "second"]
        (tmp_path / "broken" / "rules.yml").write_text(yaml.safe_dump(rules))
        case = [each for each in tests["tests"] if each["name"] == f"{alert} is silent"]
        (tmp_path / "broken" / "rules.test.yml").write_text(
            yaml.safe_dump({**tests, "tests": case})
        )
        assert tried(promtool, tmp_path / "broken").returncode != 0, alert


def test_every_alert_says_what_it_is_and_has_its_heading():
    headings = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.M)
    for name, rule in ALERTS.items():
        assert name in headings
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/WORKERS_RUNBOOK.md#{name.lower()}"


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    """The shop, on free ports."""
    opened = Place(tmp_path / "shop")
    shutil.copytree(SHOP, opened.folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    yield opened
    opened.close()


def exprs() -> list[str]:
    return [rule["expr"] for group in RULES["groups"] for rule in group["rules"]]


def test_what_the_rules_ask_for_is_what_a_process_exposes(place):
    port = free_port()
    place.start("run", "pricing", "--mode=inline", f"--port={port}").says("running on port")
    found = exposed(port)
    assert not_there(exprs(), found) == []
    assert len(asked(exprs())) >= 15
    renamed = [text.replace("http_request_", "http_requests_") for text in exprs()]
    assert not_there(renamed, found) == [
        "http_requests_duration_seconds_bucket", "http_requests_duration_seconds_bucket{le}",
        "http_requests_duration_seconds_bucket{status}", "http_requests_duration_seconds_count",
    ]  # fmt: skip
    relabelled = [text.replace("job)", "task)").replace("status!", "code!") for text in exprs()]
    assert not_there(relabelled, found) == ["by task", "http_request_duration_seconds_bucket{code}"]


@pytest.mark.parametrize("command", commands(RUNBOOK.read_text()))
def test_every_command_of_the_runbook_does_something(place, command):
    words = command.split()[1:]
    if words[0] == "run":
        port = free_port()
        place.start(*words, f"--port={port}").says("running on port")
        return
    for service in ("pricing", "catalog", "warehouse"):
        assert place.call("db", "upgrade", service)[0] == 0
    code, said = place.call(*words)
    # 3 and 5 are answers, too: nothing runs here, and a check may say so.
    assert code in (0, 3, 5), said
