from __future__ import annotations

import threading
from datetime import datetime

import pytest

from tests.waiting import until

CODE = """
import logging
import threading

from workerkit import CronJob, Service

log = logging.getLogger("jobs")
gate = threading.Event()
running = threading.Event()


class PriceSyncJob(CronJob):
    schedule = "*/5 * * * *"
    timezone = "Europe/Berlin"

    def run(self, context):
        log.info("synced %d", 37)
        context.rows += 37


class SlowJob(CronJob):
    schedule = "0 3 * * *"

    def run(self, context):
        log.info("waiting")
        running.set()
        gate.wait(20)


class BrokenJob(CronJob):
    schedule = "@every 1h"

    def run(self, context):
        raise ValueError("no stock")


def wire(settings):
    return Service("shop", cron=[PriceSyncJob(), SlowJob(), BrokenJob()])
"""


@pytest.fixture
def jobs(shop):
    """The shop with three jobs and no events."""
    shop.write(CODE)
    return shop


def module(jobs):
    """The code that runs in this process's worker."""
    import sys  # noqa: PLC0415

    return sys.modules[jobs.module]


def test_list_of_jobs_that_never_ran_makes_no_database(jobs):
    answer = jobs.call("cron", "list")
    assert "shop/price_sync  every 5 minutes" in answer.out
    assert "shop/broken      every hour" in answer.out
    assert answer.out.count("never") == 3
    assert not (jobs.path / ".workerkit" / "shop.db").exists()


def test_list_shows_the_last_run_and_the_next_in_the_jobs_zone(jobs):
    jobs.call("cron", "trigger", "price_sync")
    (sync,) = [job for job in jobs.call("cron", "list", "--json").json if "sync" in job["name"]]
    assert (sync["zone"], sync["words"]) == ("Europe/Berlin", "every 5 minutes")
    assert len(sync["next"]) == 3
    assert datetime.fromisoformat(sync["next"][0]).utcoffset() is not None
    assert (sync["last"]["state"], sync["last"]["rows"]) == ("succeeded", 37)
    assert "succeeded" in jobs.call("cron", "list").out


def test_next_knows_of_clocks_that_change(jobs):
    answer = jobs.call("cron", "next", "price-sync", "--from", "2026-03-29T01:53", "--count", "3")
    assert answer.out.splitlines() == [
        "2026-03-29T01:55:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:05:00+02:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("next", "price_snyc"), "no job 'price_snyc'; did you mean 'price_sync'?"),
        (("next", "slow", "--from", "soon"), "--from 'soon': must be a time such as 2026-03-29"),
        (("trigger", "slow", "--at", "x"), "--at 'x': must be a time"),
        (("history", "nothing"), "no job 'nothing'"),
        (("pause", "nothing"), "no job 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_refused(jobs, arguments, said):
    answer = jobs.call("cron", *arguments)
    assert answer.code == 2
    assert said in answer.err


def test_trigger_without_a_worker_runs_the_job_here_and_shows_its_log(jobs):
    answer = jobs.call("cron", "trigger", "shop/price_sync", "--wait")
    assert answer.code == 0
    assert "synced 37" in answer.err
    assert answer.out.startswith("shop/price_sync succeeded in ")
    assert answer.out.endswith(" s, 37 rows in this process\n")


def test_trigger_of_a_job_that_fails_exits_with_5_and_shows_where(jobs):
    answer = jobs.call("cron", "trigger", "broken", "--wait")
    assert answer.code == 5
    assert answer.out.endswith("in this process: ValueError: no stock\n")
    assert 'raise ValueError("no stock")' in answer.err


def test_trigger_goes_through_a_running_worker(jobs):
    process = jobs.start(mode="cron")
    wait_for_members(jobs)
    answer = jobs.call("cron", "trigger", "price_sync", "--wait")
    assert answer.code == 0
    assert "synced 37" in answer.err
    assert f"in the worker on port {process.port}, pid " in answer.out
    failed = jobs.call("cron", "trigger", "broken", "--wait")
    assert (failed.code, "ValueError: no stock" in failed.out) == (5, True)
    seen = process.tally.of("shop/price_sync")
    assert (seen.jobs_processed, seen.jobs_failed) == (1, 0)


@pytest.mark.parametrize("worker", [True, False])
def test_of_two_triggers_at_once_one_runs_and_the_other_says_who(jobs, worker):
    if worker:
        jobs.start(mode="cron")
        wait_for_members(jobs)
        first = jobs.call("cron", "trigger", "slow")
        assert (first.code, "shop/slow was started for " in first.out) == (0, True)
        second = jobs.call("cron", "trigger", "slow", "--wait")
        module(jobs).gate.set()
    else:
        codes: list[int] = []
        project = jobs.open()
        thread = threading.Thread(target=lambda: codes.append(run_here(project)))
        thread.start()
        until(lambda: "slow" in str(jobs_running(jobs)))
        second = jobs.call("cron", "trigger", "slow", "--wait")
        module(jobs).gate.set()
        thread.join(20)
        project.close()
        assert codes == [0]
    assert second.code == 4
    assert "shop/slow was not started: pid " in second.err
    assert "has been running it since 20" in second.err


def run_here(project) -> int:
    from workerkit.operate.jobs import find_job  # noqa: PLC0415
    from workerkit.trigger import trigger  # noqa: PLC0415

    entry = find_job(project.jobs(), "slow")
    done = trigger(project, entry, None, wait=True, line=print)
    return 0 if done.run.state == "succeeded" else 1


def jobs_running(jobs) -> list[str]:
    runs = jobs.call("cron", "history", "slow", "--json")
    return [run["job"] for run in runs.json if run["state"] == "running"] if not runs.code else []


def wait_for_members(jobs) -> None:
    project = jobs.open()
    try:
        until(lambda: [member for member in project.state.members() if member.port])
    finally:
        project.close()


def test_a_tick_that_succeeded_is_not_run_again(jobs):
    at = "2026-11-25T12:00:00+00:00"
    assert jobs.call("cron", "trigger", "price_sync", "--at", at).code == 0
    again = jobs.call("cron", "trigger", "price_sync", "--at", at)
    assert again.code == 4
    assert "was not started: for 2026-11-25T12:00:00Z it has succeeded at 20" in again.err


def test_a_tick_that_failed_can_be_run_again(jobs):
    at = "2026-11-25T12:00:00+00:00"
    assert [jobs.call("cron", "trigger", "broken", "--at", at).code for _ in range(2)] == [5, 5]
    assert [run["token"] for run in jobs.call("cron", "history", "broken", "--json").json] == [2]


def test_history_shows_each_run_and_why_it_failed(jobs):
    assert jobs.call("cron", "history", "broken").out == "shop/broken has never run\n"
    jobs.call("cron", "trigger", "broken")
    shown = jobs.call("cron", "history", "broken").out
    assert "failed" in shown
    assert "manual" in shown
    assert "ValueError: no stock" in shown


def test_a_paused_job_says_so_until_it_is_resumed(jobs):
    paused = jobs.call("cron", "pause", "slow").out
    assert paused == "shop/slow paused; go on: `workerkit cron resume slow`\n"
    assert "shop/slow was already paused" in jobs.call("cron", "pause", "slow").out
    assert "paused by " in jobs.call("cron", "list").out
    assert jobs.call("cron", "resume", "slow").out == "shop/slow resumed\n"
    assert jobs.call("cron", "resume", "slow").out == "shop/slow was not paused\n"


def test_check_names_what_is_wrong_with_a_schedule(jobs):
    jobs.write(CODE.replace("0 3 * * *", "0 61 3 * * *"))
    answer = jobs.call("check")
    assert answer.code == 5
    assert 'job slow: cron "0 61 3 * * *": minute is 61, allowed are 0-59' in answer.out


def test_check_says_what_there_is(jobs):
    answer = jobs.call("check")
    assert answer.code == 0
    assert "price_sync (every 5 minutes), slow (daily at 03:00)" in answer.out


def test_a_worker_with_a_wrong_schedule_does_not_start(jobs):
    jobs.write(CODE.replace("0 3 * * *", "0 0 31 2 *"))
    answer = jobs.call("run", "shop", "--mode=cron", "--port=0")
    assert (answer.code, 'job slow: cron "0 0 31 2 *" never fires' in answer.err) == (2, True)


def test_health_and_metrics_tell_of_jobs(jobs):
    process = jobs.start(mode="cron")
    wait_for_members(jobs)
    jobs.call("cron", "trigger", "price_sync", "--wait")
    workers = {worker["name"]: worker for worker in process.health().as_json()["workers"]}
    assert workers["shop/price_sync"]["jobs_processed"] == 1
    assert workers["shop/price_sync"]["last_success_at"]
    assert workers["shop/slow"]["next_run_at"].endswith("T03:00:00.000+00:00")
    text = process.metrics.render()[0].decode()
    assert 'worker_jobs_total{kind="cron",outcome="succeeded",worker="shop/price_sync"} 1.0' in text
    assert 'cron_last_success_timestamp_seconds{job="shop/price_sync"}' in text
    assert 'worker_job_duration_seconds_count{worker="shop/price_sync"} 1.0' in text
