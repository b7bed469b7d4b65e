"""`top` tells what changed between two looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from workerkit.operate.jobs import Job
from workerkit.operate.status import ProcessStatus, Status, WorkerStatus
from workerkit.operate.top import Top


def worker(processed: int, **more) -> WorkerStatus:
    usual = {"name": "orders", "kind": "event", "topic": "orders", "status": "running", "lag": 3,
             "oldest_event_age": 1.5, "processed": processed, "failed": 0, "last_job_at": None,
             "trouble": None}  # fmt: skip
    return WorkerStatus(**{**usual, **more})


def process(*workers: WorkerStatus, **more) -> ProcessStatus:
    usual = {"service": "shop", "mode": "events", "port": 8002, "owner": "", "status": "running",
             "started_at": "a", "workers": workers}  # fmt: skip
    return ProcessStatus(**{**usual, **more})


def job(**more) -> Job:
    soon = (datetime.now(UTC) + timedelta(seconds=90)).isoformat()
    usual = {"name": "shop/report", "schedule": "* * * * *", "words": "", "zone": "UTC",
             "next": (soon,), "paused_by": None, "last": None}  # fmt: skip
    return Job(**{**usual, **more})


def top(looks: list[Status], jobs: tuple[Job, ...] = (), step: float = 2.0) -> Top:
    """A top whose clock goes on by *step* seconds a look."""
    times = iter(range(100))
    return Top(lambda: looks.pop(0), lambda: jobs, lambda: next(times) * step)


def test_a_rate_needs_two_looks():
    seen = top([Status((process(worker(100)),), {}), Status((process(worker(150)),), {})])
    assert [row.rate for row in seen.scene().rows] == [None]
    assert [row.rate for row in seen.scene().rows] == [25.0]


def test_a_process_that_was_started_anew_has_no_rate_yet():
    again = process(worker(5), started_at="b")
    seen = top([Status((process(worker(100)),), {}), Status((again,), {})])
    seen.scene()
    assert [row.rate for row in seen.scene().rows] == [None]


def test_a_job_counts_down_unless_it_is_paused():
    cron = process(worker(0, name="shop/report", kind="cron"), mode="cron", port=8003)
    (row,) = top([Status((cron,), {})], (job(),)).scene().rows
    assert (row.paused, 85 < row.next <= 90) == (False, True)
    (row,) = top([Status((cron,), {})], (job(paused_by="ann"),)).scene().rows
    assert (row.status, row.paused, row.next) == ("paused", True, None)
    (row,) = top([Status((cron,), {})], (job(next=()),)).scene().rows
    assert row.next is None


def test_replicas_of_a_service_count_its_database_once():
    both = [process(worker(0), port=port, parked=2, dead=1, outbox=4) for port in (1, 2)]
    other = process(worker(0), service="mails", dead=5)
    scene = top([Status((*both, other), {})]).scene()
    assert (scene.parked, scene.dead, scene.outbox) == (2, 6, 4)


def test_what_is_wrong_is_told():
    away = process(worker(0, trouble="redis: no answer"))
    gone = process(service="mails", status="gone", port=8005)
    foreign = process(service="mails", port=8006, foreign="does not speak HTTP")
    scene = top([Status((away, gone, foreign), {})]).scene()
    assert scene.troubles == (
        "orders: redis: no answer",
        "mails events on port 8005 is gone",
        "port 8006 of mails: does not speak HTTP",
    )
    assert len(scene.rows) == 1
