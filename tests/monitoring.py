"""A Prometheus and an Alertmanager of our own, for which an hour of the rules lasts a minute."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import yaml

from tests.ports import free_port
from workerkit.cron.line import LATE

FILES = Path(__file__).parents[1] / "examples" / "shop" / "deploy" / "monitoring"

RULES: dict[str, Any] = yaml.safe_load((FILES / "rules.yml").read_text())
ALERTS = {rule["alert"]: rule for g in RULES["groups"] for rule in g["rules"] if "alert" in rule}

FASTER = 60
"""How often the rules' seconds go into one of ours."""

_UNITS = {"s": 1, "m": 60, "h": 3600}

_IN_SECONDS = (
    (r"(worker_oldest_event_age_seconds\S* > bool )([\d.]+)", "age of an event"),
    (r"(\(worker_oldest_event_age_seconds\) > )([\d.]+)", "age of an event"),
    (r"(duration_seconds:p95_5m > )([\d.]+)", "time in a handler"),
)
"""Where the rules compare seconds with a figure."""

_LEAST_LATE = LATE[0] - LATE[0] / FASTER
"""What a job's minute to be late in has too much here."""

HOOK = """
import http.server, json, sys, time

class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for alert in json.loads(body)["alerts"]:
            print(time.time(), alert["status"], alert["labels"]["alertname"], flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
"""
"""Prints a line for each alert that arrives: when, firing or resolved, and its name."""


def faster(rules: dict[str, Any]) -> dict[str, Any]:
    """*rules* with every time in them divided by FASTER: windows, waits, and limits in seconds."""
    told: set[str] = set()
    for group in rules["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = _shorter(rule["for"])
            text = re.sub(
                r"\[([^\]]+)\]",
                lambda found: f"[{':'.join(map(_shorter, found[1].split(':')))}]",
                rule["expr"],
            )
            for pattern, name in _IN_SECONDS:
                text, count = re.subn(
                    pattern, lambda found: f"{found[1]}{float(found[2]) / FASTER:g}", text
                )
                told |= {name} if count else set()
            due = "(cron_success_due_timestamp_seconds) > "
            told |= {"success of a job"} if f"{due}0" in text else set()
            rule["expr"] = text.replace(f"{due}0", f"{due}-{_LEAST_LATE:g}")
    known = {*(name for _, name in _IN_SECONDS), "success of a job"}
    assert told == known, "the rules compare seconds elsewhere now"
    return rules


def _shorter(duration: str) -> str:
    seconds = int(duration[:-1]) * _UNITS[duration[-1]]
    return f"{max(1, seconds // FASTER)}s"


class Monitoring:
    """Scrapes *targets*, the port of each mode, once a second; alerts go to a webhook."""

    def __init__(self, folder: Path, targets: dict[str, int]) -> None:
        self.port, alertmanager, webhook = free_port(), free_port(), free_port()
        self._arrived = folder / "arrived"
        for name, content in (
            ("rules", faster(yaml.safe_load((FILES / "rules.yml").read_text()))),
            ("prometheus", _prometheus(targets, alertmanager)),
            ("alertmanager", _alertmanager(webhook)),
        ):
            (folder / f"{name}.yml").write_text(yaml.safe_dump(content))
        (folder / "hook.py").write_text(HOOK)
        commands = (
            [sys.executable, "hook.py", str(webhook)],
            ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            ["prometheus-alertmanager", "--config.file=alertmanager.yml",
             "--storage.path=alerts", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{alertmanager}"],
        )  # fmt: skip
        logs = (self._arrived, folder / "prometheus.log", folder / "alertmanager.log")
        self.processes = []
        for command, path in zip(commands, logs, strict=True):
            with path.open("wb") as log:
                self.processes.append(
                    subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
                )
        eventually(lambda: None, self._answers, 30)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("up"))
        except OSError:
            return False

    def arrived(self, status: str, alert: str, since: float) -> float | None:
        """When the webhook was first told after *since*, in epoch seconds; None when not yet."""
        for line in self._arrived.read_text().splitlines():
            moment, *said = line.split()
            if said == [status, alert] and float(moment) >= since:
                return float(moment)
        return None

    def all_told(self, status: str, alerts: Iterable[str], since: float) -> bool:
        """Whether the webhook was told of each of *alerts* since then."""
        return all(self.arrived(status, alert, since) for alert in alerts)

    def active(self) -> set[str]:
        """The alerts that Prometheus holds for true now, pending ones too."""
        alerts = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts}

    def ask(self, query: str) -> list[Any]:
        """What Prometheus answers to a panel's query over everything there is."""
        text = query.replace('"$service"', '".+"').replace('"$instance"', '".+"')
        text = text.replace("$__rate_interval", "1m")
        return list(self._get(f"query?query={quote(text)}")["result"])

    def _get(self, path: str) -> dict[str, Any]:
        with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)["data"]
        return found

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(20)


def _prometheus(targets: dict[str, int], alertmanager: int) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((FILES / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
        f"127.0.0.1:{alertmanager}"
    ]
    (workers, *_) = config["scrape_configs"]
    workers["static_configs"] = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"service": "pricing", "mode": mode}}
        for mode, port in targets.items()
    ]
    return {**config, "scrape_configs": [workers]}


def _alertmanager(webhook: int) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((FILES / "alertmanager.yml").read_text())
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    config["receivers"][0]["webhook_configs"][0]["url"] = f"http://127.0.0.1:{webhook}/alerts"
    return config


def eventually(action: Callable[[], object], fact: Callable[[], object], timeout: float) -> None:
    """Repeat *action* until *fact*."""
    end = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < end, "did not happen in time"
        action()
        time.sleep(0.05)
