"""What PromQL texts ask for, and what our processes can answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.request import urlopen

from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from workerkit.core.hooks import Ran, Settled
from workerkit.observability.health import Health, WorkerHealth
from workerkit.observability.metrics import Metrics
from workerkit.observability.requests import Requests

TARGETS = {"service", "mode", "instance"}
"""Labels that the scrape's configuration gives to everything."""

OTHERS = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""Metrics that Prometheus itself makes, or that only Linux has."""

_OURS = r"\b(?:worker|cron|process|http|workerkit)_[a-z_]+\b"


def asked(texts: Iterable[str]) -> set[tuple[str, str]]:
    """(metric, label) for each label that *texts* match on; (metric, "") for the metric itself."""
    found = set()
    for text in texts:
        for name, labels in re.findall(rf"({_OURS})(?:\{{([^}}]*)\}})?", _without_labels(text)):
            found |= {(name, ""), *((name, label) for label in re.findall(r"(\w+) *[=!]", labels))}
    return found


def grouped(texts: Iterable[str]) -> set[str]:
    """The labels that *texts* group or join by."""
    lists = re.findall(r"\b(?:by|on|without|group_left) *\(([^)]*)\)", " ".join(texts))
    return {label.strip() for labels in lists for label in labels.split(",") if label.strip()}


def _without_labels(text: str) -> str:
    """Without the lists to group by, whose labels may be called like metrics."""
    return re.sub(r"\b(?:by|on|without|group_left) *\([^)]*\)", "", text)


def exposed(port: int) -> set[str]:
    """The metrics that the process on *port* exposes, by the names that PromQL knows them by."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)", answer.read().decode(), re.M))
    parts = {
        f"{name}_{part}"
        for name, kind in kinds.items()
        if kind == "histogram"
        for part in ("bucket", "count", "sum")
    }
    return {name for name, kind in kinds.items() if kind != "histogram"} | parts


def labels() -> dict[str, set[str]]:
    """The labels of each metric that a process with everything in it can have."""
    requests = Requests(PlainTextResponse(""))
    TestClient(requests).get("/")
    metrics = Metrics({"service": "shop", "mode": "all", "version": "1"})
    metrics.add(requests)
    worker = WorkerHealth(
        "orders", "event", "orders", "running", 0.0, 1, 0, 0, 0.0, 0, None, last_success_at=1.0,
        success_due_at=2.0,
    )  # fmt: skip
    metrics.watch(lambda: Health("shop", "all", "running", "", 0.0, (worker,), 0, 0, 0))
    event = Settled("shop", "orders", "orders", "1", "dead", 1, 0.0, 0.0, "Error", deliveries=2)
    metrics.settled([event])
    metrics.ran(Ran("shop", "report", 0.0, "skipped"))
    found: dict[str, set[str]] = {}
    text = metrics.render()[0].decode()
    for name, inside in re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", text, re.M):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', inside))
    return found


def not_there(texts: Iterable[str], metrics: set[str]) -> list[str]:
    """What *texts* ask for and nobody exposes: metrics beside *metrics*, labels they never have."""
    texts, known = list(texts), labels()
    wrong = {
        f"{metric}{{{label}}}" if label else metric
        for metric, label in asked(texts)
        if metric not in metrics | OTHERS
        or (label and label not in known.get(metric, set()) | TARGETS)
    }
    every = TARGETS.union(*known.values())
    return sorted(wrong | {f"by {label}" for label in grouped(texts) - every})
