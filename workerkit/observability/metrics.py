"""Prometheus metrics of one process: counted in plain dictionaries, rendered when scraped."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ..core.hooks import Ran, Settled
from .health import Health, WorkerHealth

BUCKETS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0, 1800.0,
)  # fmt: skip
"""Upper bounds of `worker_job_duration_seconds`; one more is unbounded."""

_UNTIMED = frozenset({"duplicate", "expired"})

MOST_ERRORS = 50
"""Error names a worker may bring into `worker_errors_total`; the rest count as `other`."""


class Metrics(Collector):
    """A hook, and a registry of its own.

    Taking in a record is a few dictionary steps: prometheus-client's own
    counters take a lock each, which shows at 15,000 events/s.
    """

    def __init__(self, info: dict[str, str]) -> None:
        self.info = info
        self._lock = threading.Lock()
        self._health: Callable[[], Health] | None = None
        self._jobs: Counter[tuple[str, str, str]] = Counter()
        self._missed: Counter[str] = Counter()
        self._errors: Counter[tuple[str, str]] = Counter()
        self._redeliveries: Counter[str] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def add(self, collector: Collector) -> None:
        """Expose what *collector* has, too."""
        self._registry.register(collector)

    def watch(self, health: Callable[[], Health]) -> None:
        """Read the gauges from *health* at each scrape."""
        self._health = health

    def settled(self, records: Sequence[Settled]) -> None:
        """Count *records*, which are of one worker."""
        if not records:
            return
        worker = records[0].worker
        with self._lock:
            buckets = self._buckets[worker]
            for record in records:
                self._jobs[worker, "event", record.outcome] += 1
                if record.outcome not in _UNTIMED:
                    buckets[bisect_left(BUCKETS, record.duration)] += 1
                    self._seconds[worker] += record.duration
                if record.error:
                    self._errors[self._bounded(worker, record.error)] += 1
                if record.deliveries > 1:
                    self._redeliveries[worker] += 1

    def ran(self, record: Ran) -> None:
        """Count *record*; a skipped tick counts as missed."""
        job = f"{record.service}/{record.job}"
        with self._lock:
            self._jobs[job, "cron", record.outcome] += 1
            if record.outcome == "skipped":
                self._missed[job] += 1
            elif record.outcome != "abandoned":
                self._buckets[job][bisect_left(BUCKETS, record.duration)] += 1
                self._seconds[job] += record.duration
            if record.error:
                self._errors[self._bounded(job, record.error)] += 1

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """All families, for the registry."""
        yield InfoMetricFamily("workerkit", "What runs here.", value=self.info)
        with self._lock:
            yield from self._counted()
        if self._health is not None:
            yield from _gauges(self._health())

    def describe(self) -> list[Metric]:
        """Nothing: registration must not ask for the health of a process not built yet."""
        return []

    def _counted(self) -> Iterator[Metric]:
        jobs = CounterMetricFamily(
            "worker_jobs", "Jobs that came to an outcome.", labels=["worker", "kind", "outcome"]
        )
        for labels, count in self._jobs.items():
            jobs.add_metric(labels, count)
        durations = HistogramMetricFamily(
            "worker_job_duration_seconds", "Time in the handler.", labels=["worker"]
        )
        for worker, buckets in self._buckets.items():
            bounds = [*map(str, BUCKETS), "+Inf"]
            sums = [sum(buckets[: n + 1]) for n in range(len(buckets))]
            durations.add_metric(
                [worker], list(zip(bounds, sums, strict=True)), self._seconds[worker]
            )
        errors = CounterMetricFamily(
            "worker_errors", "Attempts that failed.", labels=["worker", "error"]
        )
        for key, count in self._errors.items():
            errors.add_metric(key, count)
        again = CounterMetricFamily(
            "worker_redeliveries", "Events handed out again.", labels=["worker"]
        )
        for worker, count in self._redeliveries.items():
            again.add_metric([worker], count)
        missed = CounterMetricFamily(
            "cron_missed_ticks", "Ticks that were due and left out.", labels=["job"]
        )
        for job, count in self._missed.items():
            missed.add_metric([job], count)
        yield from (jobs, durations, errors, again, missed)

    def _bounded(self, worker: str, error: str) -> tuple[str, str]:
        """User code names its own errors: their number must not grow without end."""
        if (worker, error) in self._errors or len(self._errors) < MOST_ERRORS:
            return worker, error
        return worker, "other"


def _gauges(health: Health) -> Iterator[Metric]:
    of_workers: list[tuple[str, str, Callable[[WorkerHealth], float]]] = [
        ("worker_queue_size", "Events not settled yet.", lambda w: w.lag),
        ("worker_oldest_event_age_seconds", "Since its publication.", lambda w: w.oldest_event_age),
        ("worker_up", "1 when it runs, 0.5 degraded, 0 stopped.", lambda w: _UP[w.status]),
    ]
    for name, text, value in of_workers:
        family = GaugeMetricFamily(name, text, labels=["worker"])
        for worker in health.workers:
            family.add_metric([worker.name], value(worker))
        yield family
    of_jobs: list[tuple[str, str, Callable[[WorkerHealth], float | None]]] = [
        ("last_success", "When the job last succeeded.", lambda w: w.last_success_at),
        ("success_due", "By when it is to succeed next.", lambda w: w.success_due_at),
    ]
    for name, text, moment in of_jobs:
        family = GaugeMetricFamily(f"cron_{name}_timestamp_seconds", text, labels=["job"])
        for worker in health.workers:
            if (seconds := moment(worker)) is not None:
                family.add_metric([worker.name], seconds)
        yield family
    lost = CounterMetricFamily(
        "worker_groups_lost", "Times the broker had forgotten the group.", labels=["worker"]
    )
    for worker in health.workers:
        lost.add_metric([worker.name], worker.groups_lost)
    yield lost
    yield GaugeMetricFamily("worker_dead_letters", "Events given up on.", health.dead)
    yield GaugeMetricFamily("worker_parked_events", "Waiting for an attempt.", health.parked)
    yield GaugeMetricFamily("worker_outbox_size", "Batches not published yet.", health.outbox)


_UP = {"running": 1.0, "degraded": 0.5, "stopped": 0.0}
