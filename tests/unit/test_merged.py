"""Several processes shown as one."""

from __future__ import annotations

from workerkit.core.hooks import Settled
from workerkit.observability.health import Health, WorkerHealth
from workerkit.observability.merged import MergedMetrics, merge_health
from workerkit.observability.metrics import Metrics


def settled(outcome: str = "applied") -> Settled:
    return Settled("shop", "order", "orders", "e", outcome, 1, 0.002, 0.1)


def health(status: str = "running", processed: int = 3, lag: int = 7, trouble=None) -> Health:
    worker = WorkerHealth(
        "order", "event", "orders", status, 5.0, processed, 1, lag, 1.5, 2, trouble
    )
    return Health("shop", "events", status, "exactly once", 9.0, (worker,), 1, 2, 3)


def exposition(applied: int, born: float, status: str = "running") -> str:
    metrics = Metrics({"service": "shop"})
    metrics.watch(lambda: health(status))
    metrics.settled([settled()] * applied)
    text = metrics.render()[0].decode()
    start = next(line for line in text.splitlines() if line.startswith("process_start_time"))
    return text.replace(start, f"process_start_time_seconds {born}")


def value(metrics: MergedMetrics, name: str, *labels: str) -> float:
    lines = metrics.render()[0].decode().splitlines()
    (found,) = [
        line for line in lines
        if line.startswith((name + " ", name + "{")) and all(label in line for label in labels)
    ]  # fmt: skip
    return float(found.rsplit(" ", 1)[1])


def test_counters_add_up_and_what_all_see_is_shown_once():
    metrics = MergedMetrics(lambda: [exposition(5, 1), exposition(7, 2, "degraded")])
    assert value(metrics, "worker_jobs_total", 'outcome="applied"') == 12
    assert value(metrics, "worker_job_duration_seconds_count") == 12
    assert value(metrics, "worker_job_duration_seconds_bucket", 'le="0.0025"') == 12
    assert value(metrics, "worker_groups_lost_total") == 4
    assert value(metrics, "worker_queue_size") == 7
    assert value(metrics, "worker_dead_letters") == 2
    assert value(metrics, "worker_up") == 0.5
    assert value(metrics, "process_start_time_seconds") == 1
    assert value(metrics, "workerkit_info") == 1


def test_what_a_dead_process_had_counted_stays():
    answers = [exposition(5, 1), exposition(7, 2)]
    metrics = MergedMetrics(lambda: answers)
    seen = [value(metrics, "worker_jobs_total")]
    for now in (None, None, exposition(2, 3), None, exposition(1, 4)):
        answers[1] = now
        seen.append(value(metrics, "worker_jobs_total"))
    assert seen == [12, 12, 12, 14, 14, 15]


def test_health_is_the_worst_and_the_sum():
    merged = merge_health([
        health(processed=3, lag=7).as_json(), health("degraded", 5, 9, "no database").as_json(),
    ])  # fmt: skip
    (worker,) = merged["workers"]
    assert (merged["status"], merged["dead"], merged["processes"]) == (
        "degraded", 2, ["running", "degraded"],
    )  # fmt: skip
    assert (worker["jobs_processed"], worker["lag"], worker["groups_lost"]) == (8, 9, 4)
    assert (worker["status"], worker["trouble"]) == ("degraded", "no database")


def test_a_silent_process_makes_it_degraded_and_all_silent_stopped():
    assert merge_health([health().as_json(), None])["status"] == "degraded"
    assert merge_health([None, None])["status"] == "stopped"
