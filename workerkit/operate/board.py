"""The dashboard of a project's workers and APIs: what it shows, row by row."""

from __future__ import annotations

from .grafana import Board, Panel, Query, Row, Variable

SELECTED = 'service=~"$service", instance=~"$instance"'

EVENTS, CRON = 'kind="event"', 'kind="cron"'
FAILED = 'outcome=~"parked|dead|failed|timed_out|abandoned"'
TRIED = 'outcome!~"duplicate|expired|skipped"'


def _of(metric: str, *more: str) -> str:
    """The chosen series of *metric*."""
    return f"{metric}{{{', '.join([SELECTED, *more])}}}"


def _rate(metric: str, *more: str) -> str:
    """Per second."""
    return f"rate({_of(metric, *more)}[$__rate_interval])"


def _new(metric: str, *more: str) -> str:
    """How many came in the time that one point of the picture stands for."""
    return f"increase({_of(metric, *more)}[$__rate_interval])"


def _quantile(q: float, metric: str, *by: str) -> str:
    return (
        f"histogram_quantile({q}, sum by ({', '.join([*by, 'le'])}) ({_rate(f'{metric}_bucket')}))"
    )


def board() -> Board:
    """The dashboard; it fits every project, as services and replicas are chosen above it."""
    return Board(
        uid="workerkit-workers",
        title="Workers",
        words="Event workers, jobs and APIs of one or more services, by replica.",
        rows=(_now(), _flow(), _durations(), _waiting(), _jobs(), _apis(), _processes()),
        variables=(
            Variable("service", "workerkit_info", "service"),
            Variable("instance", 'workerkit_info{service=~"$service"}', "instance"),
        ),
        marks=(Query('ALERTS{alertstate="firing", service=~"$service"}', "{{alertname}}"),),
    )


def _now() -> Row:
    seconds = f"max({_of('worker_oldest_event_age_seconds')})"
    figures = (
        ("Processes down", f"count({_of('up')} == 0) or vector(0)", "short", 1),
        ("Settled", f"sum({_rate('worker_jobs_total', EVENTS)})", "eps", None),
        ("Waiting", f"max({_of('worker_queue_size')})", "short", 1000),
        ("Oldest event", seconds, "s", 60),
        ("Dead letters", f"max({_of('worker_dead_letters')})", "short", 1),
        ("API P95", _quantile(0.95, "http_request_duration_seconds"), "s", 0.15),
    )
    words = "Now; red where an alert will follow."
    panels = [
        Panel(title, words, (Query(expr, title),), "stat", unit, width=4, height=4, limit=limit)
        for title, expr, unit, limit in figures
    ]
    return Row("Now", panels)


def _flow() -> Row:
    jobs = "worker_jobs_total"
    failed = f"sum by (service, worker) ({_rate(jobs, FAILED)})"
    tried = f"sum by (service, worker) ({_rate(jobs, TRIED)})"
    errors = f"sum by (worker, error) ({_rate('worker_errors_total')})"
    return Row("Throughput and errors", (
        Panel("Settled, by outcome", "Events that came to an outcome, each second.", (
            Query(f"sum by (worker, outcome) ({_rate(jobs, EVENTS)})",
                  "{{worker}} {{outcome}}"),
        ), unit="eps", stacked=True),
        Panel("Failed share", "Attempts and runs that failed; the alert is at one in twenty.", (
            Query(f"{failed} / {tried}", "{{worker}}"),
        ), unit="percentunit", limit=0.05),
        Panel("Errors, by type", "What the attempts failed with, each second.", (
            Query(errors, "{{worker}} {{error}}"),
        ), unit="cps"),
    ))  # fmt: skip


def _durations() -> Row:
    buckets = _new("worker_job_duration_seconds_bucket")
    metric = "worker_job_duration_seconds"
    return Row("Durations", (
        Panel("Time in the handler", "Events and runs by how long they took.", (
            Query(f"sum by (le) ({buckets})", "{{le}}"),
        ), "heatmap", unit="s", width=12),
        Panel("Half, and one in twenty", "P50 and P95 of each worker and job.", (
            Query(_quantile(0.5, metric, "worker"), "{{worker}} P50"),
            Query(_quantile(0.95, metric, "worker"), "{{worker}} P95"),
        ), unit="s", width=12, limit=10),
    ))  # fmt: skip


def _waiting() -> Row:
    return Row("What waits", (
        Panel("Lag", "Events not settled yet, and due ticks not begun.", (
            Query(f"max by (service, worker) ({_of('worker_queue_size')})", "{{worker}}"),
        ), limit=1000),
        Panel("Oldest event", "Seconds since it was published; the promise is one minute.", (
            Query(f"max by (service, worker) ({_of('worker_oldest_event_age_seconds')})",
                  "{{worker}}"),
        ), unit="s", limit=60),
        Panel("Retries and dead letters", "Parked waits for an attempt, dead was given up on.", (
            Query(f"max by (service) ({_of('worker_parked_events')})", "{{service}} parked"),
            Query(f"max by (service) ({_of('worker_dead_letters')})", "{{service}} dead"),
        )),
        Panel("Handed out again", "Redeliveries: processes died or froze while they worked.", (
            Query(f"sum by (service, worker) ({_rate('worker_redeliveries_total')})", "{{worker}}"),
        ), unit="cps", width=12, limit=0.1),
        Panel("Outbox", "Batches of follow-ups that are committed and not published.", (
            Query(_of("worker_outbox_size"), "{{service}} {{instance}}"),
        ), width=12),
    ))  # fmt: skip


def _jobs() -> Row:
    runs = "worker_jobs_total"
    succeeded = _new(runs, CRON, 'outcome="succeeded"')
    failed = _new(runs, CRON, 'outcome=~"failed|timed_out|abandoned"')
    last = f"max by (service, job) ({_of('cron_last_success_timestamp_seconds')})"
    return Row("Jobs", (
        Panel("Runs", "Green: succeeded at that time. Red: failed, timed out or abandoned.", (
            Query(f"sum by (worker) ({succeeded})", "{{worker}}"),
            Query(f"sum by (worker) ({failed})", "{{worker}} failed"),
        ), "status-history", width=12, red=" failed$"),
        Panel("Since the last success", "Of each job.", (
            Query(f"time() - {last}", "{{job}}"),
        ), "stat", unit="s", width=6),
        Panel("Ticks left out", "Runs that took longer than their period, or had no worker.", (
            Query(f"sum by (service, job) ({_new('cron_missed_ticks_total')})", "{{job}}"),
        ), width=6),
    ))  # fmt: skip


def _apis() -> Row:
    http = "http_request_duration_seconds"
    count = _rate(f"{http}_count")
    return Row("APIs", (
        Panel("Requests", "Each second, by route and class of status.", (
            Query(f"sum by (service, method, route, status) ({count})",
                  "{{method}} {{route}} {{status}}"),
        ), unit="reqps", stacked=True),
        Panel("P95 by route", "One in twenty is slower; the promise is 150 ms.", (
            Query(_quantile(0.95, http, "service", "route"), "{{service}} {{route}}"),
        ), unit="s", limit=0.15),
        Panel("Slow or failed", "Share of requests; more than one in twenty spends the budget.", (
            Query('slo:api:slow_ratio5m{service=~"$service"}', "{{service}}"),
        ), unit="percentunit", limit=0.05),
    ))  # fmt: skip


def _processes() -> Row:
    replica = "{{service}} {{mode}} {{instance}}"
    return Row("Processes", (
        Panel("CPU", "Cores in use by each replica.", (
            Query(_rate("process_cpu_seconds_total"), replica),
        )),
        Panel("Memory", "Resident, of each replica.", (
            Query(_of("process_resident_memory_bytes"), replica),
        ), unit="bytes"),
        Panel("Workers up", "1 runs, 0.5 degraded, 0 stopped.", (
            Query(_of("worker_up"), "{{worker}} {{instance}}"),
        )),
    ))  # fmt: skip
