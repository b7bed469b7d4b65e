"""Health and metrics of several processes of one service as if they were one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and labels."""

WORST = ("stopped", "degraded", "running")

_SEEN_BY_ALL = frozenset({
    "worker_queue_size", "worker_oldest_event_age_seconds", "worker_dead_letters",
    "worker_parked_events", "worker_outbox_size", "process_max_fds",
    "cron_last_success_timestamp_seconds", "cron_success_due_timestamp_seconds",
})  # fmt: skip
"""Gauges of what all processes look at: the broker and the database."""

_LOWEST = frozenset({"worker_up", "process_start_time_seconds"})

_BORN = ("process_start_time_seconds", ())


def merge_health(answers: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """The worst status, summed counts, and the largest lag; None is a process that is silent.

    `processes` lists status and port of each, in order.
    """
    found = [answer for answer in answers if answer is not None]
    if not found:
        return {"status": "stopped", "workers": [], "processes": _listed(answers)}
    statuses = [answer["status"] for answer in found]
    statuses += ["degraded"] * (len(answers) - len(found))
    by_name: dict[str, list[dict[str, Any]]] = {}
    for answer in found:
        for worker in answer["workers"]:
            by_name.setdefault(worker["name"], []).append(worker)
    merged = {
        **found[0],
        "status": min(statuses, key=WORST.index),
        "started_at": min(answer["started_at"] for answer in found),
        "workers": [_merge_workers(each) for each in by_name.values()],
        "processes": _listed(answers),
    }
    for name in ("parked", "dead", "outbox"):
        merged[name] = max(answer[name] for answer in found)
    merged["at"] = [place for answer in found for place in answer["at"]]
    return merged


def _listed(answers: Sequence[dict[str, Any] | None]) -> list[str]:
    return ["silent" if answer is None else answer["status"] for answer in answers]


def _merge_workers(workers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    first = workers[0]
    sums = ("jobs_processed", "jobs_failed", "groups_lost")
    return {
        **first,
        **{name: sum(worker[name] for worker in workers) for name in sums},
        **{name: max(worker[name] for worker in workers) for name in ("lag", "oldest_event_age")},
        "status": min((worker["status"] for worker in workers), key=WORST.index),
        **{
            name: _latest(workers, name)
            for name in ("last_job_at", "last_success_at", "success_due_at")
        },
        "trouble": next((worker["trouble"] for worker in workers if worker["trouble"]), None),
    }


def _latest(workers: Sequence[dict[str, Any]], name: str) -> str | None:
    return max((worker[name] for worker in workers if worker[name]), default=None)


class MergedMetrics(Collector):
    """Sums what processes expose; *fetch* gets each one's text, None when it is silent.

    What a process had counted when it was last asked is kept when it dies, or
    a restart would look like a counter that was reset.
    """

    def __init__(self, fetch: Callable[[], Sequence[str | None]]) -> None:
        self._fetch = fetch
        self._kept: dict[int, dict[Key, float]] = {}
        self._latest: dict[int, dict[Key, float]] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def describe(self) -> list[Metric]:
        """Nothing: registration must not ask processes that do not run yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families of all processes, merged."""
        families: dict[str, Metric] = {}
        values: dict[str, dict[Key, list[float]]] = {}
        for number, text in enumerate(self._fetch()):
            parsed = list(text_string_to_metric_families(text)) if text is not None else []
            self._keep_the_dead(number, parsed)
            for family in parsed:
                families.setdefault(family.name, family)
                found = values.setdefault(family.name, {})
                for key, value in _samples([family]):
                    found.setdefault(key, []).append(value)
        for family in families.values():
            yield self._merge(family, values[family.name])

    def _keep_the_dead(self, number: int, parsed: Sequence[Metric]) -> None:
        now = dict(_samples(parsed))
        before = self._latest.get(number, {})
        if before and (not now or now.get(_BORN) != before.get(_BORN)):
            kept = self._kept.setdefault(number, {})
            for key, value in before.items():
                kept[key] = kept.get(key, 0.0) + value
        self._latest[number] = now

    def _merge(self, family: Metric, values: dict[Key, list[float]]) -> Metric:
        merged = Metric(family.name, family.documentation, family.type)
        for key, found in values.items():
            name, labels = key
            if family.type in ("counter", "histogram"):
                value = sum(found) + sum(kept.get(key, 0.0) for kept in self._kept.values())
            elif family.name in _SEEN_BY_ALL or family.type == "info" or name.endswith("_info"):
                value = max(found)
            else:
                value = min(found) if family.name in _LOWEST else sum(found)
            merged.add_sample(name, dict(labels), value)
        return merged


def _samples(families: Iterable[Metric]) -> Iterator[tuple[Key, float]]:
    for family in families:
        for sample in family.samples:
            yield (sample.name, tuple(sorted(sample.labels.items()))), sample.value
